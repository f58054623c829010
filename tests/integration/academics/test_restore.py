"""Deletions of courses, semesters and faculties taken back by their routes, until the purge date."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from backend.academics.upkeep import purge_bare_courses, purge_courses
from backend.kit.subject import Subject
from db import query
from tests import campus
from tests.api import problem
from tests.integration.identity.conftest import World

V1 = "/api/v1"


async def _deleted(client: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    response = await client.get(f"{V1}/{kind}", params={"deleted": True})
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def _enrol(admin: httpx.AsyncClient, course_id: object, person: Subject) -> str:
    made = await admin.post(f"{V1}/courses/{course_id}/enrolments", json={"user_id": str(person.user_id)})
    return str(made.raise_for_status().json()["id"])


async def _acts(action: str) -> list[dict[str, Any]]:
    return await query.fetch_values("SELECT metadata FROM audit_log WHERE action = $1 ORDER BY id", action)


async def test_a_course_comes_back_with_the_enrolments_its_deletion_ended(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    left = await campus.person(world.home, "lee", "student")
    before = await _enrol(admin, course.id, world.student)
    ended = await _enrol(admin, course.id, left)
    assert (await admin.delete(f"{V1}/courses/{course.id}/enrolments/{ended}")).status_code == 204
    here = f"{V1}/courses/{course.id}"
    assert (await student.get(here)).status_code == 200
    assert (await admin.delete(here)).status_code == 204
    assert (await student.get(here)).status_code == 404
    (listed,) = await _deleted(admin, "courses")
    assert (listed["id"], listed["title"]) == (str(course.id), course.title)
    assert listed["purge_after"] > listed["updated_at"]

    restored = await admin.post(f"{here}/restore")

    assert restored.status_code == 200, restored.text
    assert "purge_after" not in restored.json()
    assert restored.json()["document_set_version"] == course.document_set_version + 2
    assert (await student.get(here)).json() == restored.json()
    people = (await admin.get(f"{here}/enrolments")).json()["items"]
    assert [(one["id"], one["user_id"]) for one in people] == [(before, str(world.student.user_id))]
    assert await _deleted(admin, "courses") == []
    (act,) = await query.fetch_values(
        "SELECT metadata->>'enrolments_resumed' FROM audit_log WHERE action = 'course.restored'"
    )
    assert act == "1"
    assert (await admin.post(f"{here}/restore")).json() == restored.json(), "a second time changes nothing"
    assert len(await _acts("course.restored")) == 1


async def test_only_who_may_delete_restores_and_finds_what_to_restore(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    stranger = await world.api.signed_in(world.stranger)
    place = await campus.place(world.admin, "SCI")
    course = await campus.course(world.admin, place, "C1")
    await _enrol(admin, course.id, world.student)
    things = [("courses", course.id), ("semesters", place.semester_id), ("faculties", place.faculty_id)]
    for kind, thing in things:
        assert (await admin.delete(f"{V1}/{kind}/{thing}")).status_code == 204
    for kind, thing in reversed(things):
        problem(await student.get(f"{V1}/{kind}", params={"deleted": True}), 403, "permission-missing")
        problem(await student.post(f"{V1}/{kind}/{thing}/restore"), 403, "permission-missing")
        assert await _deleted(stranger, kind) == []
        assert (await stranger.post(f"{V1}/{kind}/{thing}/restore")).status_code == 404
        assert (await admin.post(f"{V1}/{kind}/{uuid4()}/restore")).status_code == 404
        assert [one["id"] for one in await _deleted(admin, kind)] == [str(thing)]
        assert (await admin.post(f"{V1}/{kind}/{thing}/restore")).status_code == 200
        assert (await admin.get(f"{V1}/{kind}/{thing}")).status_code == 200


async def test_parents_come_first_and_a_faculty_brings_the_semesters_it_took(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    place = await campus.place(world.admin, "SCI")
    course = await campus.course(world.admin, place, "C1")
    body = {
        "faculty_id": str(place.faculty_id),
        "name": "S",
        "code": "S",
        "starts_on": "2026-10-01",
        "ends_on": "2027-02-01",
    }
    other = (await admin.post(f"{V1}/semesters", json=body)).json()["id"]
    for path in (f"courses/{course.id}", f"semesters/{other}", f"faculties/{place.faculty_id}"):
        assert (await admin.delete(f"{V1}/{path}")).status_code == 204

    refused = problem(await admin.post(f"{V1}/courses/{course.id}/restore"), 409, "parent-deleted")
    assert "faculty" in refused["detail"]
    problem(await admin.post(f"{V1}/semesters/{other}/restore"), 409, "parent-deleted")
    assert (await admin.post(f"{V1}/faculties/{place.faculty_id}/restore")).status_code == 200
    semesters = (await admin.get(f"{V1}/semesters")).json()["items"]
    assert [one["id"] for one in semesters] == [str(place.semester_id)], "the other was deleted before, by itself"
    assert (await admin.delete(f"{V1}/semesters/{place.semester_id}")).status_code == 204
    refused = problem(await admin.post(f"{V1}/courses/{course.id}/restore"), 409, "parent-deleted")
    assert "semester" in refused["detail"]
    assert (await admin.post(f"{V1}/semesters/{place.semester_id}/restore")).status_code == 200
    assert (await admin.post(f"{V1}/courses/{course.id}/restore")).status_code == 200
    assert (await admin.post(f"{V1}/semesters/{other}/restore")).status_code == 200


async def test_a_code_taken_meanwhile_is_told(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    place = await campus.place(world.admin, "SCI")
    course = await campus.course(world.admin, place, "C1")
    assert (await admin.delete(f"{V1}/courses/{course.id}")).status_code == 204
    await campus.course(world.admin, place, "C1")

    refused = problem(await admin.post(f"{V1}/courses/{course.id}/restore"), 409, "code-taken")

    assert "C1" in refused["detail"]
    assert [one["id"] for one in await _deleted(admin, "courses")] == [str(course.id)]
    assert await _acts("course.restored") == []


@pytest.mark.parametrize("purged", [False, True])
async def test_after_its_purge_date_a_course_is_gone(world: World, purged: bool) -> None:
    admin = await world.api.signed_in(world.admin)
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    assert (await admin.delete(f"{V1}/courses/{course.id}")).status_code == 204
    await query.execute("UPDATE courses SET purge_after = now() WHERE id = $1", course.id)
    if purged:
        assert (await purge_courses(), await purge_bare_courses()) == (1, 1)

    assert await _deleted(admin, "courses") == []
    problem(await admin.post(f"{V1}/courses/{course.id}/restore"), 404, "course-not-found")


async def test_a_faculty_s_administrator_restores_there_alone(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    dean = await campus.person(world.home, "dee")
    own, foreign = await campus.place(world.admin, "OWN"), await campus.place(world.admin, "FOR")
    courses = [await campus.course(world.admin, place, "C1") for place in (own, foreign)]
    grant = {"role": "admin", "faculty_id": str(own.faculty_id)}
    assert (await admin.post(f"{V1}/users/{dean.user_id}/grants", json=grant)).status_code == 201
    for course in courses:
        assert (await admin.delete(f"{V1}/courses/{course.id}")).status_code == 204
    client = await world.api.signed_in(dean)

    assert [one["id"] for one in await _deleted(client, "courses")] == [str(courses[0].id)]
    assert [(await client.post(f"{V1}/courses/{one.id}/restore")).status_code for one in courses] == [200, 404]
