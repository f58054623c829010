"""People, roles and grants by their routes: what counts on the next request, and the two rules against escalation."""

import asyncio

import httpx

from backend.identity import rights
from backend.identity.errors import LastAdministrator
from backend.kit.permissions import PERMISSIONS
from db import query
from ops.runtime.ids import GrantId
from tests import campus
from tests.api import problem
from tests.integration.identity.conftest import World


async def give(client: httpx.AsyncClient, user_id: object, **grant: object) -> dict[str, object]:
    response = await client.post(f"/api/v1/users/{user_id}/grants", json=grant)
    assert response.status_code == 201, response.text
    return response.json()  # type: ignore[no-any-return]


async def last_audit(action: str) -> str:
    return str(
        await query.fetch_value(
            "SELECT metadata FROM audit_log WHERE action = $1 ORDER BY timestamp DESC LIMIT 1", action
        )
    )


async def test_a_grant_and_its_end_count_on_the_next_request(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    where = await campus.place(world.admin, "SCI")
    course = await campus.course(world.admin, where, "C1")
    address = f"/api/v1/courses/{course.id}"
    problem(await student.get(address), 404, "course-not-found")
    grant = await give(admin, world.student.user_id, role="academic", course_id=str(course.id))
    assert (await student.get(address)).status_code == 200
    problem(await student.patch(address, json={"title": "Mine"}), 403, "permission-missing")
    ended = await admin.delete(f"/api/v1/users/{world.student.user_id}/grants/{grant['id']}")
    assert ended.status_code == 204
    problem(await student.get(address), 404, "course-not-found")
    assert str(course.id) in await last_audit("grant.deleted")
    assert "course.write" in await last_audit("permission.refused")


async def test_a_course_may_come_with_its_own_faculty_alone(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    where, other = await campus.place(world.admin, "SCI"), await campus.place(world.admin, "ART")
    course = await campus.course(world.admin, where, "C1")
    body = {"role": "academic", "course_id": str(course.id), "faculty_id": str(other.faculty_id)}
    address = f"/api/v1/users/{world.student.user_id}/grants"
    document = problem(await admin.post(address, json=body), 422, "input-refused")
    assert document["errors"][0]["pointer"] == "/faculty_id"
    grant = await give(admin, world.student.user_id, **(body | {"faculty_id": str(where.faculty_id)}))
    assert (grant["course_id"], grant["faculty_id"]) == (str(course.id), None)
    problem(await admin.post(address, json=body | {"faculty_id": None}), 409, "grant-exists")
    document = problem(await admin.post(address, json={"role": "nobody"}), 422, "input-refused")
    assert document["errors"][0]["pointer"] == "/role"


async def test_the_change_of_a_role_counts_for_its_holders_on_the_next_request(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    role = (await admin.post("/api/v1/roles", json={"name": "auditor", "permissions": ["person.read"]})).json()
    auditor = await world.api.signed_in(await campus.person(world.home, "aud", "auditor"))
    assert (await auditor.get("/api/v1/users")).status_code == 200
    changed = await admin.patch(f"/api/v1/roles/{role['id']}", json={"permissions": ["audit.read"]})
    assert changed.json()["permissions"] == ["audit.read"]
    problem(await auditor.get("/api/v1/users"), 403, "permission-missing")
    problem(await admin.delete(f"/api/v1/roles/{role['id']}"), 409, "role-in-use")
    assert "audit.read" in await last_audit("role.changed")


async def test_built_in_roles_can_be_edited_but_neither_renamed_nor_deleted(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    roles = {role["name"]: role for role in (await admin.get("/api/v1/roles")).json()["items"]}
    assert set(roles) == {"student", "academic", "admin", "ops"}
    address = f"/api/v1/roles/{roles['academic']['id']}"
    problem(await admin.delete(address), 409, "role-in-use")
    problem(await admin.patch(address, json={"name": "docent"}), 409, "role-in-use")
    changed = await admin.patch(address, json={"permissions": ["course.read"]})
    assert changed.json()["permissions"] == ["course.read"]
    document = problem(await admin.patch(address, json={"permissions": ["course.read", "fly"]}), 422, "input-refused")
    assert document["errors"][0]["pointer"] == "/permissions/1"
    problem(await admin.post("/api/v1/roles", json={"name": "admin", "permissions": []}), 409, "role-taken")
    problem(await admin.post("/api/v1/roles", json={"name": "No Name", "permissions": []}), 400, "invalid-input")
    free = (await admin.post("/api/v1/roles", json={"name": "free", "permissions": []})).json()
    assert (await admin.delete(f"/api/v1/roles/{free['id']}")).status_code == 204
    problem(await admin.get(f"/api/v1/roles/{free['id']}"), 404, "role-not-found")


async def test_nobody_hands_out_what_they_do_not_hold(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    body = {"name": "helper", "permissions": ["person.read", "person.write", "grant.write", "role.write"]}
    assert (await admin.post("/api/v1/roles", json=body)).status_code == 201
    helper = await world.api.signed_in(await campus.person(world.home, "hel", "helper"))
    address = f"/api/v1/users/{world.student.user_id}/grants"
    problem(await helper.post(address, json={"role": "admin"}), 403, "more-than-own-rights")
    problem(
        await helper.post("/api/v1/roles", json={"name": "more", "permissions": ["ops.write"]}),
        403,
        "more-than-own-rights",
    )
    role = (await helper.get("/api/v1/roles")).json()["items"][-1]
    refused = await helper.patch(
        f"/api/v1/roles/{role['id']}", json={"permissions": [*role["permissions"], "ops.write"]}
    )
    problem(refused, 403, "more-than-own-rights")
    made = await helper.post("/api/v1/users", json={"email": "x@y.example", "display_name": "X", "role": "admin"})
    problem(made, 403, "more-than-own-rights")
    assert await query.fetch_value("SELECT count(*) FROM users WHERE email = 'x@y.example'") == 0
    assert (await helper.post(address, json={"role": "helper"})).status_code == 201
    refusals = await query.fetch_value("SELECT count(*) FROM audit_log WHERE action = 'permission.refused'")
    assert refusals == 4


async def test_nobody_has_power_over_who_holds_more(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    body = {"name": "helper", "permissions": ["person.read", "person.write", "grant.write"]}
    assert (await admin.post("/api/v1/roles", json=body)).status_code == 201
    helper = await world.api.signed_in(await campus.person(world.home, "hel", "helper"))
    victim = f"/api/v1/users/{(await campus.person(world.home, 'bea', 'admin')).user_id}"
    (held,) = (await admin.get(f"{victim}/grants")).json()["items"]
    for refused in (
        await helper.patch(victim, json={"state": "disabled"}),
        await helper.patch(victim, json={"email": "mine@north.example"}),
        await helper.delete(victim),
        await helper.delete(f"{victim}/grants/{held['id']}"),
    ):
        problem(refused, 403, "more-than-own-rights")
    assert (await admin.get(f"{victim}/grants")).json()["items"] == [held]
    assert (await admin.patch(victim, json={"state": "disabled"})).status_code == 200
    problem(await helper.patch(victim, json={"state": "active"}), 403, "more-than-own-rights")

    equal = f"/api/v1/users/{(await campus.person(world.home, 'cea', 'helper')).user_id}"
    (shared,) = (await admin.get(f"{equal}/grants")).json()["items"]
    assert (await helper.patch(equal, json={"state": "disabled"})).status_code == 200
    assert (await helper.delete(f"{equal}/grants/{shared['id']}")).status_code == 204
    assert (await helper.delete(equal)).status_code == 204


async def test_who_may_grant_in_one_faculty_may_not_in_another(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    where, other = await campus.place(world.admin, "SCI"), await campus.place(world.admin, "ART")
    body = {"name": "dean", "permissions": ["grant.write", "course.read", "document.read", "document.write"]}
    assert (await admin.post("/api/v1/roles", json=body)).status_code == 201
    body = {"name": "tutor", "permissions": ["course.read", "document.read", "document.write"]}
    assert (await admin.post("/api/v1/roles", json=body)).status_code == 201
    dean = await campus.person(world.home, "dea")
    await give(admin, dean.user_id, role="dean", faculty_id=str(where.faculty_id))
    client = await world.api.signed_in(dean)
    own, foreign = await campus.course(world.admin, where, "C1"), await campus.course(world.admin, other, "C1")
    await give(client, world.student.user_id, role="tutor", course_id=str(own.id))
    address = f"/api/v1/users/{world.student.user_id}/grants"
    problem(await client.post(address, json={"role": "tutor", "course_id": str(foreign.id)}), 404, "place-not-found")
    problem(
        await client.post(address, json={"role": "tutor", "faculty_id": str(other.faculty_id)}), 404, "place-not-found"
    )
    problem(await client.post(address, json={"role": "tutor"}), 403, "permission-missing")
    granted = await give(admin, world.student.user_id, role="tutor", course_id=str(foreign.id))
    problem(await client.delete(f"{address}/{granted['id']}"), 404, "grant-not-found")


async def test_the_last_administrator_cannot_be_lost(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    me = f"/api/v1/users/{world.admin.user_id}"
    grants = {row["role"]: row["id"] for row in (await admin.get(f"{me}/grants")).json()["items"]}
    problem(await admin.delete(f"{me}/grants/{grants['admin']}"), 409, "last-administrator")
    problem(await admin.patch(me, json={"state": "disabled"}), 409, "last-administrator")
    problem(await admin.delete(me), 409, "last-administrator")
    role = next(role for role in (await admin.get("/api/v1/roles")).json()["items"] if role["name"] == "admin")
    fewer = sorted(set(role["permissions"]) - {"role.write"})
    problem(await admin.patch(f"/api/v1/roles/{role['id']}", json={"permissions": fewer}), 409, "last-administrator")
    assert (await admin.get("/api/v1/me")).json()["permissions"] == sorted(set(PERMISSIONS) - {"course.learn"})
    assert (await admin.delete(f"{me}/grants/{grants['ops']}")).status_code == 204
    second = await campus.person(world.home, "bea", "admin")
    assert (await admin.delete(f"/api/v1/users/{second.user_id}")).status_code == 204
    third = await campus.person(world.home, "cea", "admin")
    assert (await admin.delete(f"{me}/grants/{grants['admin']}")).status_code == 204
    problem(await admin.get("/api/v1/users"), 403, "permission-missing")
    assert (await (await world.api.signed_in(third)).get("/api/v1/users")).status_code == 200


async def test_two_administrators_cannot_remove_each_other_at_once(world: World) -> None:
    second = await campus.person(world.home, "bea", "admin")

    async def remove(actor: campus.Subject, target: campus.Subject) -> str:
        grant = next(g for g in await rights.list_grants(actor, target.user_id) if g.role == "admin")
        try:
            await rights.take(actor, target.user_id, GrantId(grant.id))
        except LastAdministrator:
            return "refused"
        return "taken"

    outcomes = await asyncio.gather(remove(world.admin, second), remove(second, world.admin))
    assert sorted(outcomes) == ["refused", "taken"]


async def test_a_disabled_person_is_signed_out_and_cannot_sign_in(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    link = (await admin.post(f"/api/v1/users/{world.student.user_id}/sign-in-link")).json()
    assert (await student.get("/api/v1/me")).status_code == 200
    address = f"/api/v1/users/{world.student.user_id}"
    assert (await admin.patch(address, json={"state": "disabled"})).json()["state"] == "disabled"
    problem(await student.get("/api/v1/me"), 401, "session-ended")
    problem(await world.api.public.post("/api/v1/auth/link", json={"token": link["token"]}), 401, "link-refused")
    problem(await admin.post(f"{address}/sign-in-link"), 404, "person-not-found")
    assert (await admin.patch(address, json={"state": "active"})).json()["state"] == "active"
    problem(await student.get("/api/v1/me"), 401, "session-ended")
    assert (await (await world.api.signed_in(world.student)).get("/api/v1/me")).status_code == 200


async def test_a_deleted_person_is_gone_and_their_address_is_free(world: World) -> None:
    admin, student = await world.api.signed_in(world.admin), await world.api.signed_in(world.student)
    address = f"/api/v1/users/{world.student.user_id}"
    assert (await student.get("/api/v1/me")).status_code == 200
    assert (await admin.delete(address)).status_code == 204
    problem(await student.get("/api/v1/me"), 401, "session-ended")
    problem(await admin.get(address), 404, "person-not-found")
    problem(await admin.delete(address), 404, "person-not-found")
    body = {"email": world.student.email, "display_name": "Another Sam"}
    assert (await admin.post("/api/v1/users", json=body)).status_code == 201
    days = await query.fetch_value(
        "SELECT extract(day FROM purge_after - deleted_at)::int FROM users WHERE id = $1", world.student.user_id
    )
    assert days == 30


async def test_people_are_searched_and_paged(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    for number in range(5):
        body = {"email": f"p{number}@page.example", "display_name": f"Page {number}"}
        assert (await admin.post("/api/v1/users", json=body)).status_code == 201
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"q": "PAGE", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get("/api/v1/users", params=parameters)).json()
        seen += [person["display_name"] for person in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"Page {number}" for number in (4, 3, 2, 1, 0)]
    disabled = (await admin.get("/api/v1/users", params={"account_state": "disabled"})).json()
    assert disabled["items"] == []
    assert not any(p["email"] == world.stranger.email for p in (await admin.get("/api/v1/users")).json()["items"])
