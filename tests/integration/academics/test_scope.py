"""What Postgres says may be read is what the subject may read: in two tenants, for people with anything they can hold."""

import random
from collections.abc import AsyncIterator

import pytest

from backend.academics import enrolments, service
from backend.identity import rights
from backend.identity.schemas import NewGrant, NewRole
from backend.identity.service import subject_for_user
from backend.kit.subject import CourseRef, Subject
from db import query
from db.repositories.courses import CourseRow
from db.repositories.identity import TenantRow
from tests import campus
from tests.servers import Database

PEOPLE = 60


@pytest.fixture(autouse=True)
async def process(database: Database) -> AsyncIterator[None]:
    async with campus.opened(campus.settings_for(database.url)):
        yield


async def tenant_with_courses(slug: str) -> tuple[TenantRow, Subject, list[CourseRow]]:
    home = await campus.tenant(slug)
    admin = await campus.person(home, "ada", "admin", "ops")
    await rights.create_role(admin, NewRole(name="reader", permissions=["course.read"]))
    wheres = [await campus.place(admin, f"F{number}") for number in range(3)]
    return home, admin, [await campus.course(admin, where, f"C{number}") for where in wheres for number in range(3)]


async def somebody(
    chance: random.Random, home: TenantRow, admin: Subject, courses: list[CourseRow], name: str
) -> Subject:
    person = await campus.person(home, name, *chance.sample(["student", "academic"], k=chance.choice((0, 0, 1, 1, 2))))
    for role in chance.sample(["academic", "reader", "student"], k=chance.randint(0, 3)):
        course = chance.choice(courses)
        place = chance.choice(({"course_id": course.id}, {"faculty_id": course.faculty_id}))
        given = await rights.give(admin, person.user_id, NewGrant(role=role, **place))
        if chance.random() < 0.2:
            await rights.take(admin, person.user_id, given.id)
    for course in chance.sample(courses, k=chance.randint(0, 4)):
        made = await enrolments.enrol(admin, course.id, person.user_id)
        if chance.random() < 0.3:
            await enrolments.end_enrolment(admin, course.id, made.id)
    return await subject_for_user(person.user_id)


async def test_scope_and_subject_agree_on_every_course() -> None:
    chance = random.Random(229)
    worlds = [await tenant_with_courses(slug) for slug in ("one", "two")]
    everything = [(home.id, course) for home, _, courses in worlds for course in courses]
    sizes = set()
    people = []
    for number in range(PEOPLE):
        home, admin, courses = worlds[number % 2]
        people.append(await somebody(chance, home, admin, courses, f"p{number}"))
    for _home, admin, courses in worlds:
        await service.delete_course(admin, courses[0].id)
    gone = {courses[0].id for _, _, courses in worlds}
    for person in [await subject_for_user(person.user_id) for person in people]:
        for permission in ("document.read", "course.read", "document.write"):
            expected = {
                course.id
                for tenant_id, course in everything
                if tenant_id == person.tenant_id
                and course.id not in gone
                and person.can(permission, CourseRef(course.id, course.faculty_id))
            }
            scope = await service.scope_for(person, permission)
            assert scope.tenant_id == person.tenant_id
            assert set(scope.course_ids) == expected
            assert [course.course_id for course in scope.courses] == sorted(scope.course_ids)
            if permission == "course.read":
                assert {row.id for row in await service.list_courses(person, limit=100)} == expected
            sizes.add(len(expected))
    assert {0, 1, 2, 3, 8} <= sizes, sizes


async def test_scope_closes_with_the_person_and_the_role_whatever_the_subject_says() -> None:
    home, admin, courses = await tenant_with_courses("one")
    student = await campus.person(home, "sam", "student")
    await enrolments.enrol(admin, courses[0].id, student.user_id)
    subject = await subject_for_user(student.user_id)
    assert (await service.scope_for(subject)).course_ids == {courses[0].id}
    await query.execute("UPDATE roles SET permissions = '{}' WHERE tenant_id = $1 AND name = 'student'", home.id)
    assert (await service.scope_for(subject)).courses == ()
    await query.execute(
        "UPDATE roles SET permissions = '{course.learn}' WHERE tenant_id = $1 AND name = 'student'", home.id
    )
    assert (await service.scope_for(subject)).course_ids == {courses[0].id}
    await query.execute("UPDATE users SET state = 'disabled' WHERE id = $1", student.user_id)
    assert (await service.scope_for(subject)).courses == ()


async def test_the_end_of_a_semester_changes_nothing() -> None:
    home, admin, courses = await tenant_with_courses("one")
    student = await campus.person(home, "sam", "student")
    await enrolments.enrol(admin, courses[0].id, student.user_id)
    await query.execute("UPDATE semesters SET starts_on = '2001-01-01', ends_on = '2001-06-01'")
    assert (await service.scope_for(student)).course_ids == {courses[0].id}
