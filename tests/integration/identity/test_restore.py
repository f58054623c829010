"""A deleted person who comes back: signs in as before, with the rights they had, until the purge date."""

from typing import Any

import httpx

from backend.identity.passwords import hash_password
from backend.identity.upkeep import purge_people
from backend.kit.subject import Subject
from db import query
from inference_gateway.cache.answers import AnswerCache
from inference_gateway.contract import ChatDelta
from inference_gateway.ports import CachedAnswer
from tests import campus
from tests.api import problem
from tests.integration.identity.conftest import World

V1 = "/api/v1"
PASSWORD = "Quiet-River-9-stones"


async def _person(world: World, name: str = "rob", *roles: str) -> Subject:
    password_hash = await hash_password(PASSWORD)
    return await campus.person(world.home, name, *(roles or ("student",)), password_hash=password_hash)


async def _sign_in(world: World, person: Subject) -> int:
    async with world.api.client() as client:
        answer = await client.post(f"{V1}/auth/login", json={"email": person.email, "password": PASSWORD})
    return answer.status_code


async def _deleted(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get(f"{V1}/users", params={"deleted": True})
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items


async def test_a_person_comes_back_with_password_grants_and_enrolments_but_no_session(world: World) -> None:
    admin, person = await world.api.signed_in(world.admin), await _person(world)
    session = await world.api.signed_in(person)
    course = await campus.course(world.admin, await campus.place(world.admin, "SCI"), "C1")
    enrolled = await admin.post(f"{V1}/courses/{course.id}/enrolments", json={"user_id": str(person.user_id)})
    assert enrolled.status_code == 201
    here = f"{V1}/users/{person.user_id}"
    assert (await admin.delete(here)).status_code == 204
    assert await _sign_in(world, person) == 401
    (listed,) = await _deleted(admin)
    assert (listed["id"], "purge_after" in listed) == (str(person.user_id), True)

    restored = await admin.post(f"{here}/restore")

    assert restored.status_code == 200, restored.text
    assert "purge_after" not in restored.json()
    assert (await session.get(f"{V1}/me")).status_code == 401
    assert await _sign_in(world, person) == 200
    again = await world.api.signed_in(person)
    assert (await again.get(f"{V1}/courses/{course.id}")).status_code == 200
    assert (await admin.post(f"{here}/restore")).json() == restored.json(), "a second time changes nothing"
    acts = await query.fetch_values("SELECT metadata->>'user_id' FROM audit_log WHERE action = 'person.restored'")
    assert acts == [str(person.user_id)]
    assert await _deleted(admin) == []


async def test_answers_kept_for_a_deleted_person_are_forgotten(world: World) -> None:
    admin, person, other = await world.api.signed_in(world.admin), await _person(world), await _person(world, "ros")
    answers = AnswerCache(world.api.app.state.redis, b"k" * 32)
    kept = CachedAnswer(deltas=(ChatDelta(text="Yours alone."),), model="m", upstream="u")
    for who in (person, other):
        await answers.put(f"response:{who.user_id}", kept, (f"user:{who.user_id}",))
    assert (await admin.delete(f"{V1}/users/{person.user_id}")).status_code == 204
    assert await answers.get(f"response:{person.user_id}") is None
    assert await answers.get(f"response:{other.user_id}") == kept


async def test_only_who_may_delete_people_restores_them(world: World) -> None:
    admin, person, chief = (
        await world.api.signed_in(world.admin),
        await _person(world),
        await _person(world, "max", "admin"),
    )
    student, stranger = await world.api.signed_in(world.student), await world.api.signed_in(world.stranger)
    role = {"name": "registrar", "permissions": ["person.read", "person.write"]}
    assert (await admin.post(f"{V1}/roles", json=role)).status_code == 201
    registrar = await world.api.signed_in(await campus.person(world.home, "reg", "registrar"))
    for one in (person, chief):
        assert (await admin.delete(f"{V1}/users/{one.user_id}")).status_code == 204
    restore = f"{V1}/users/{person.user_id}/restore"

    problem(await student.post(restore), 403, "permission-missing")
    problem(await student.get(f"{V1}/users", params={"deleted": True}), 403, "permission-missing")
    problem(await stranger.post(restore), 404, "person-not-found")
    assert await _deleted(stranger) == []
    assert (await registrar.post(f"{V1}/users/{chief.user_id}/restore")).status_code == 403, "an administrator's rights"
    assert {one["id"] for one in await _deleted(registrar)} == {str(person.user_id), str(chief.user_id)}
    assert (await admin.get(f"{V1}/users/{chief.user_id}")).status_code == 404


async def test_an_address_taken_meanwhile_is_told(world: World) -> None:
    admin, person = await world.api.signed_in(world.admin), await _person(world)
    assert (await admin.delete(f"{V1}/users/{person.user_id}")).status_code == 204
    await campus.person(world.home, "new", email=person.email)

    problem(await admin.post(f"{V1}/users/{person.user_id}/restore"), 409, "email-taken")
    assert await query.fetch_values("SELECT action FROM audit_log WHERE action = 'person.restored'") == []


async def test_who_is_purged_is_gone(world: World) -> None:
    admin, person = await world.api.signed_in(world.admin), await _person(world)
    assert (await admin.delete(f"{V1}/users/{person.user_id}")).status_code == 204
    await query.execute("UPDATE users SET purge_after = now() WHERE id = $1", person.user_id)
    assert await _deleted(admin) == []
    problem(await admin.post(f"{V1}/users/{person.user_id}/restore"), 404, "person-not-found")
    assert await purge_people() == 1
    problem(await admin.post(f"{V1}/users/{person.user_id}/restore"), 404, "person-not-found")
