"""Faculties, semesters, courses and enrolments by their routes; what is read follows rights at once."""

import asyncio
from typing import Any

import httpx

from backend.academics import service
from backend.academics.errors import PlacementRefused, StillInUse
from backend.academics.jobs import COURSE_MOVED
from backend.academics.places import delete_semester
from backend.academics.schemas import NewCourse
from backend.kit.subject import Subject
from db import query
from tests import campus
from tests.api import problem
from tests.integration.identity.conftest import World


async def items(client: httpx.AsyncClient, path: str, **parameters: str) -> list[dict[str, Any]]:
    response = await client.get(f"/api/v1/{path}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()["items"]  # type: ignore[no-any-return]


async def give(client: httpx.AsyncClient, person: Subject, **grant: str) -> None:
    response = await client.post(f"/api/v1/users/{person.user_id}/grants", json=grant)
    assert response.status_code == 201, response.text


async def test_an_administrator_builds_a_faculty_down_to_a_course(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    faculty = (await admin.post("/api/v1/faculties", json={"name": "علوم", "code": "SCI"})).json()
    body = {
        "faculty_id": faculty["id"],
        "name": "Winter",
        "code": "W26",
        "starts_on": "2026-10-01",
        "ends_on": "2027-02-28",
    }
    made = await admin.post("/api/v1/semesters", json=body)
    assert made.status_code == 201
    semester = made.json()
    body = {"faculty_id": faculty["id"], "semester_id": semester["id"], "code": "CS 229", "title": "Machine learning"}
    made = await admin.post("/api/v1/courses", json=body)
    assert made.status_code == 201
    course = made.json()
    assert (await admin.get(f"/api/v1/courses/{course['id']}")).json() == course
    assert (await admin.get(f"/api/v1/faculties/{faculty['id']}")).json() == faculty
    assert (await admin.get(f"/api/v1/semesters/{semester['id']}")).json() == semester
    problem(await admin.post("/api/v1/courses", json=body), 409, "code-taken")
    problem(await admin.post("/api/v1/faculties", json={"name": "Other", "code": "SCI"}), 409, "code-taken")
    changed = await admin.patch(f"/api/v1/courses/{course['id']}", json={"title": "ML"})
    assert (changed.json()["title"], changed.json()["document_set_version"]) == ("ML", course["document_set_version"])
    problem(await admin.delete(f"/api/v1/faculties/{faculty['id']}"), 409, "still-in-use")
    problem(await admin.delete(f"/api/v1/semesters/{semester['id']}"), 409, "still-in-use")
    for path in (f"courses/{course['id']}", f"faculties/{faculty['id']}"):
        assert (await admin.delete(f"/api/v1/{path}")).status_code == 204
        assert (await admin.get(f"/api/v1/{path}")).status_code == 404
    problem(await admin.get(f"/api/v1/semesters/{semester['id']}"), 404, "semester-not-found")
    assert (await admin.post("/api/v1/faculties", json={"name": "Again", "code": "SCI"})).status_code == 201
    days = await query.fetch_values("SELECT extract(day FROM purge_after - deleted_at)::int FROM courses")
    assert days == [30]
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE user_id = $1 ORDER BY id", world.admin.user_id)
    assert acts == [
        "faculty.created", "semester.created", "course.created", "course.changed", "course.deleted", "faculty.deleted",
        "faculty.created",
    ]  # fmt: skip


async def test_a_semester_does_not_end_before_it_starts(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    where = await campus.place(world.admin, "SCI")
    body = {
        "faculty_id": str(where.faculty_id),
        "name": "S",
        "code": "S",
        "starts_on": "2027-02-01",
        "ends_on": "2026-02-01",
    }
    document = problem(await admin.post("/api/v1/semesters", json=body), 422, "placement-refused")
    assert document["errors"][0]["pointer"] == "/ends_on"
    late = await admin.patch(f"/api/v1/semesters/{where.semester_id}", json={"starts_on": "2099-01-01"})
    problem(late, 422, "placement-refused")


async def test_everybody_reads_their_own_courses_alone(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    science, arts = await campus.place(world.admin, "SCI"), await campus.place(world.admin, "ART")
    first, second = await campus.course(world.admin, science, "C1"), await campus.course(world.admin, science, "C2")
    third = await campus.course(world.admin, arts, "C1")
    teacher, dean = await campus.person(world.home, "tea"), await campus.person(world.home, "dea")
    await give(admin, teacher, role="academic", course_id=str(second.id))
    await give(admin, dean, role="academic", faculty_id=str(science.faculty_id))
    enrolled = await admin.post(f"/api/v1/courses/{third.id}/enrolments", json={"user_id": str(world.student.user_id)})
    assert enrolled.status_code == 201
    readers = {
        world.admin: {first, second, third},
        teacher: {second},
        dean: {first, second},
        world.student: {third},
        await campus.person(world.home, "new", "student"): set(),
    }
    for reader, courses in readers.items():
        client, expected = await world.api.signed_in(reader), {str(course.id) for course in courses}
        assert {course["id"] for course in await items(client, "courses")} == expected
        assert {str(each) for each in (await service.scope_for(reader)).course_ids} == expected
        faculties = {str(course.faculty_id) for course in courses}
        assert {each["id"] for each in await items(client, "faculties")} == faculties
        assert {each["faculty_id"] for each in await items(client, "semesters")} == faculties
        for course in (first, second, third):
            status = 200 if course in courses else 404
            for address in (f"courses/{course.id}", f"courses/{course.id}/teachers"):
                assert (await client.get(f"/api/v1/{address}")).status_code == status
    assert [row["id"] for row in await items(await world.api.signed_in(teacher), "courses", teaching="true")] == [
        str(second.id)
    ]
    teachers = await items(await world.api.signed_in(dean), f"courses/{second.id}/teachers")
    assert [row["user_id"] for row in teachers] == [str(teacher.user_id)]
    operator = await world.api.signed_in(await campus.person(world.home, "ope", "ops"))
    problem(await operator.get("/api/v1/courses"), 403, "permission-missing")


async def test_reading_is_not_writing(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    where = await campus.place(world.admin, "SCI")
    course = await campus.course(world.admin, where, "C1")
    teacher = await campus.person(world.home, "tea")
    await give(admin, teacher, role="academic", course_id=str(course.id))
    body = {"user_id": str(world.student.user_id)}
    assert (await admin.post(f"/api/v1/courses/{course.id}/enrolments", json=body)).status_code == 201
    student, lecturer = await world.api.signed_in(world.student), await world.api.signed_in(teacher)
    for client, allowed in ((student, False), (lecturer, True)):
        assert ((await client.get(f"/api/v1/courses/{course.id}/enrolments")).status_code == 200) is allowed
        problem(await client.patch(f"/api/v1/courses/{course.id}", json={"title": "x"}), 403, "permission-missing")
        problem(await client.delete(f"/api/v1/courses/{course.id}"), 403, "permission-missing")
        problem(await client.patch(f"/api/v1/faculties/{where.faculty_id}", json={}), 403, "permission-missing")
        problem(await client.delete(f"/api/v1/semesters/{where.semester_id}"), 403, "permission-missing")


async def test_enrolments_open_and_close_a_course_at_once(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    address = f"/api/v1/courses/{course.id}/enrolments"
    problem(await student.get(f"/api/v1/courses/{course.id}"), 404, "course-not-found")
    made = await admin.post(address, json={"user_id": str(world.student.user_id)})
    assert made.status_code == 201
    assert (await student.get(f"/api/v1/courses/{course.id}")).status_code == 200
    problem(await admin.post(address, json={"user_id": str(world.student.user_id)}), 409, "already-enrolled")
    one = f"{address}/{made.json()['id']}"
    assert (await admin.get(one)).json() == made.json()
    assert (await admin.delete(one)).status_code == 204
    problem(await student.get(f"/api/v1/courses/{course.id}"), 404, "course-not-found")
    assert (await service.scope_for(world.student)).courses == ()
    problem(await admin.delete(one), 404, "enrolment-not-found")
    assert (await admin.post(address, json={"user_id": str(world.student.user_id)})).status_code == 201


async def test_an_enrolment_means_nothing_without_the_right_to_learn(world: World) -> None:
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    guest = await campus.person(world.home, "gus", "ops")
    admin = await world.api.signed_in(world.admin)
    body = {"user_id": str(guest.user_id)}
    assert (await admin.post(f"/api/v1/courses/{course.id}/enrolments", json=body)).status_code == 201
    problem(await (await world.api.signed_in(guest)).get(f"/api/v1/courses/{course.id}"), 403, "permission-missing")
    assert (await service.scope_for(guest)).courses == ()


async def test_five_hundred_addresses_get_an_answer_each(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    await query.execute(
        """INSERT INTO users (id, tenant_id, email, email_normalised, display_name, state, locale, data_key, authority_epoch)
           SELECT gen_random_uuid(), $1, 'P' || n || '@bulk.example', 'p' || n || '@bulk.example', 'P', 'active', 'en', '', 1
           FROM generate_series(1, 496) AS n""",
        world.home.id,
    )
    emails = [f"p{n}@BULK.example" for n in range(1, 497)]
    emails += [world.student.email, "nobody@bulk.example", world.stranger.email, " P1@bulk.example "]
    address = f"/api/v1/courses/{course.id}/enrolments"
    made = await admin.post(address, json={"emails": emails})
    assert made.status_code == 201, made.text
    answers = made.json()["items"]
    assert [answer["email"] for answer in answers] == emails
    assert [answer["status"] for answer in answers] == ["enrolled"] * 497 + ["unknown"] * 2 + ["repeated"]
    again = (await admin.post(address, json={"emails": emails[:3]})).json()["items"]
    assert [answer["status"] for answer in again] == ["already-enrolled"] * 3
    assert await query.fetch_value("SELECT count(*) FROM enrolments WHERE ended_at IS NULL") == 497
    assert (await (await world.api.signed_in(world.student)).get(f"/api/v1/courses/{course.id}")).status_code == 200
    document = problem(await admin.post(address, json={"emails": [*emails, "one@too.many"]}), 400, "invalid-input")
    assert document["errors"][0]["pointer"] == "/emails"
    problem(await admin.post(address, json={}), 400, "invalid-input")
    problem(
        await admin.post(address, json={"user_id": str(world.student.user_id), "emails": emails[:1]}),
        400,
        "invalid-input",
    )


async def test_a_deleted_course_is_closed_at_once_for_all(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    teacher = await campus.person(world.home, "tea")
    await give(admin, teacher, role="academic", course_id=str(course.id))
    body = {"user_id": str(world.student.user_id)}
    assert (await admin.post(f"/api/v1/courses/{course.id}/enrolments", json=body)).status_code == 201
    lecturer = await world.api.signed_in(teacher)
    for client in (student, lecturer):
        assert (await client.get(f"/api/v1/courses/{course.id}")).status_code == 200
    assert (await admin.delete(f"/api/v1/courses/{course.id}")).status_code == 204
    for client, person in ((student, world.student), (lecturer, teacher), (admin, world.admin)):
        problem(await client.get(f"/api/v1/courses/{course.id}"), 404, "course-not-found")
        assert await items(client, "courses") == []
        assert (await service.scope_for(person)).courses == ()
    assert await query.fetch_value("SELECT count(*) FROM enrolments WHERE ended_at IS NULL") == 0


async def test_a_moved_course_is_a_new_document_set_and_the_index_is_told(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    science, arts = await campus.place(world.admin, "SCI"), await campus.place(world.admin, "ART")
    course = await campus.course(world.admin, science, "C1")
    address = f"/api/v1/courses/{course.id}"
    document = problem(await admin.patch(address, json={"faculty_id": str(arts.faculty_id)}), 422, "placement-refused")
    assert document["errors"][0]["pointer"] == "/semester_id"
    before = (await service.scope_for(world.admin)).digest()
    move = {"faculty_id": str(arts.faculty_id), "semester_id": str(arts.semester_id)}
    moved = (await admin.patch(address, json=move)).json()
    assert (moved["faculty_id"], moved["semester_id"]) == (str(arts.faculty_id), str(arts.semester_id))
    assert moved["document_set_version"] == course.document_set_version + 1
    assert (await service.scope_for(world.admin)).digest() != before
    jobs = await query.fetch_values("SELECT args->>'course_id' FROM jobs WHERE kind = $1", COURSE_MOVED.name)
    assert jobs == [str(course.id)]
    assert (await admin.patch(address, json=move)).status_code == 200  # no move, no job
    assert await query.fetch_value("SELECT count(*) FROM jobs") == 1


async def test_a_course_moves_only_between_faculties_one_may_write_in(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    science, arts = await campus.place(world.admin, "SCI"), await campus.place(world.admin, "ART")
    own, foreign = await campus.course(world.admin, science, "C1"), await campus.course(world.admin, arts, "C1")
    body = {"name": "dean", "permissions": ["course.read", "course.write"]}
    assert (await admin.post("/api/v1/roles", json=body)).status_code == 201
    dean = await campus.person(world.home, "dea")
    await give(admin, dean, role="dean", faculty_id=str(science.faculty_id))
    client = await world.api.signed_in(dean)
    move = {"faculty_id": str(arts.faculty_id), "semester_id": str(arts.semester_id)}
    problem(await client.patch(f"/api/v1/courses/{own.id}", json=move), 404, "faculty-not-found")
    problem(await client.patch(f"/api/v1/courses/{foreign.id}", json={"title": "x"}), 404, "course-not-found")
    assert (await client.patch(f"/api/v1/courses/{own.id}", json={"title": "x"})).status_code == 200
    problem(await client.post("/api/v1/courses", json=move | {"code": "X", "title": "X"}), 404, "faculty-not-found")


async def test_a_semester_is_not_deleted_under_a_course_that_is_being_made(world: World) -> None:
    for number in range(10):
        where = await campus.place(world.admin, f"F{number}")
        new = NewCourse(faculty_id=where.faculty_id, semester_id=where.semester_id, code="C", title="C")
        outcomes = await asyncio.gather(
            service.create_course(world.admin, new),
            delete_semester(world.admin, where.semester_id),
            return_exceptions=True,
        )
        failed = [each for each in outcomes if isinstance(each, Exception)]
        assert len(failed) == 1, outcomes
        assert isinstance(failed[0], PlacementRefused | StillInUse)
    orphans = """SELECT count(*) FROM courses c JOIN semesters s ON s.id = c.semester_id
                 WHERE c.deleted_at IS NULL AND s.deleted_at IS NOT NULL"""
    assert await query.fetch_value(orphans) == 0


async def test_courses_are_filtered_and_paged(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    science, arts = await campus.place(world.admin, "SCI"), await campus.place(world.admin, "ART")
    for number in range(5):
        await campus.course(world.admin, science, f"S{number}")
    await campus.course(world.admin, arts, "A0")
    seen: list[str] = []
    cursor = ""
    while True:
        parameters = {"limit": "2", "faculty_id": str(science.faculty_id)} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get("/api/v1/courses", params=parameters)).json()
        seen += [course["code"] for course in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["S0", "S1", "S2", "S3", "S4"]
    assert [course["code"] for course in await items(admin, "courses", q="course s3")] == ["S3"]
    assert [course["code"] for course in await items(admin, "courses", semester_id=str(arts.semester_id))] == ["A0"]
