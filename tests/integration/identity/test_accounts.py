"""Registration, sign-in, one's own account, one-time links: by the routes, on real servers."""

import time

import httpx
import pytest

from backend.identity import passwords
from backend.identity.service import create_administrator
from db import query
from tests import api, campus
from tests.api import problem
from tests.integration.identity.conftest import CONTROLLERS, World
from tests.servers import Database

PASSWORD = "correct horse battery"


async def register(world: World, email: str = "New@uni.example", **others: str) -> dict[str, str]:
    body = {"email": email, "password": PASSWORD, "display_name": "New"} | others
    response = await world.api.public.post("/api/v1/auth/register", json=body)
    assert response.status_code == 201, response.text
    return response.json()  # type: ignore[no-any-return]


async def login(world: World, email: str = "new@uni.example", password: str = PASSWORD) -> dict[str, str]:
    response = await world.api.public.post("/api/v1/auth/login", json={"email": email, "password": password})
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


async def actions(prefix: str) -> list[str]:
    return await query.fetch_values(
        "SELECT action FROM audit_log WHERE starts_with(action, $1) ORDER BY timestamp, id", prefix
    )


async def test_a_registered_student_signs_in_and_reads_their_profile(world: World) -> None:
    person = await register(world)
    tokens = await login(world, "  NEW@UNI.example ")
    assert tokens["token_type"] == "Bearer"
    assert 300 <= int(tokens["expires_in"]) <= 600
    me = await world.api.public.get("/api/v1/me", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["id"] == person["id"]
    assert me.json()["permissions"] == ["chat.use", "course.learn", "course.read", "document.read", "search.use"]
    assert await actions("person.registered") == ["person.registered"]
    assert await actions("auth.") == ["auth.signed_in"]


async def test_registration_is_refused_outside_development(database: Database, valkey_url: str) -> None:
    async with api.running(database.url, valkey_url, controllers=CONTROLLERS, env="staging") as running:
        body = {"email": "new@uni.example", "password": PASSWORD, "display_name": "New"}
        problem(await running.public.post("/api/v1/auth/register", json=body), 403, "registration-closed")
        assert await query.fetch_value("SELECT count(*) FROM users") == 0


async def test_an_address_is_taken_in_the_whole_installation(world: World) -> None:
    await register(world)
    body = {"email": "NEW@uni.example", "password": PASSWORD, "display_name": "Twin"}
    problem(await world.api.public.post("/api/v1/auth/register", json=body), 409, "email-taken")
    people = await query.fetch_value("SELECT count(*) FROM users")
    body["email"] = world.stranger.email.upper()
    problem(await world.api.public.post("/api/v1/auth/register", json=body), 409, "email-taken")
    assert await query.fetch_value("SELECT count(*) FROM users") == people
    assert await query.fetch_value("SELECT count(*) FROM users WHERE display_name = 'Twin'") == 0


async def test_weak_passwords_are_pointed_at(world: World) -> None:
    for weak in ("short", "password123", "new@uni.example", "aaaaaaaaaaaa"):
        body = {"email": "new@uni.example", "password": weak, "display_name": "New"}
        document = problem(await world.api.public.post("/api/v1/auth/register", json=body), 422, "password-weak")
        assert document["errors"][0]["pointer"] == "/password"
    assert await query.fetch_value("SELECT count(*) FROM users WHERE email_normalised = 'new@uni.example'") == 0


async def test_unknown_fields_and_wrong_addresses_are_pointed_at(world: World) -> None:
    body = {"email": "no address", "password": PASSWORD, "display_name": "New"}
    document = problem(await world.api.public.post("/api/v1/auth/register", json=body), 400, "invalid-input")
    assert document["errors"][0]["pointer"] == "/email"
    body = {"email": "new@uni.example", "password": PASSWORD, "display_name": "New", "role": "admin"}
    document = problem(await world.api.public.post("/api/v1/auth/register", json=body), 400, "invalid-input")
    assert document["errors"][0]["pointer"] == "/role"


async def test_unknown_and_known_addresses_get_the_same_answer_after_the_same_time(world: World) -> None:
    answers = []
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}

    for number in range(3):  # the machine may be busy during all the attempts at one address
        await register(world, f"known-{number}@uni.example")
        for kind in ("known", "unknown") * 4:  # a fifth would lock
            started = time.perf_counter()
            response = await _wrong(world, f"{kind}-{number}@uni.example")
            seconds[kind].append(time.perf_counter() - started)
            answers.append({k: v for k, v in problem(response, 401, "sign-in-failed").items() if k != "request_id"})
    assert answers == answers[:1] * len(answers)
    assert 0.6 < min(seconds["known"]) / min(seconds["unknown"]) < 1.7, seconds


async def _wrong(world: World, email: str) -> httpx.Response:
    return await world.api.public.post("/api/v1/auth/login", json={"email": email, "password": "wrong " + PASSWORD})


async def test_a_hash_of_older_parameters_is_renewed_on_sign_in(world: World) -> None:
    await register(world)
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)
    await query.execute("UPDATE users SET password_hash = $1 WHERE email_normalised = 'new@uni.example'", old)
    await login(world)
    stored = await query.fetch_value("SELECT password_hash FROM users WHERE email_normalised = 'new@uni.example'")
    assert stored != old
    assert not passwords.is_outdated(stored)
    await login(world)


async def test_a_profile_changes_what_is_given_alone(world: World) -> None:
    student = await world.api.signed_in(world.student)
    changed = await student.patch("/api/v1/me", json={"locale": "ar"})
    assert (changed.json()["locale"], changed.json()["display_name"]) == ("ar", "Sam")
    changed = await student.patch("/api/v1/me", json={"display_name": "سام"})
    assert (changed.json()["locale"], changed.json()["display_name"]) == ("ar", "سام")
    assert (await student.get("/api/v1/me")).json() == changed.json()
    problem(await student.patch("/api/v1/me", json={"display_name": None}), 400, "invalid-input")
    problem(await student.patch("/api/v1/me", json={"email": "other@uni.example"}), 400, "invalid-input")


async def test_a_new_password_ends_the_other_sessions(world: World) -> None:
    await register(world)
    here, there = await login(world), await login(world)
    mine = world.api.client(authorization=f"Bearer {here['access_token']}")
    other = world.api.client(authorization=f"Bearer {there['access_token']}")
    assert (await other.get("/api/v1/me")).status_code == 200
    body = {"current_password": "not this one", "new_password": "an entirely new one"}
    problem(await mine.post("/api/v1/me/password", json=body), 422, "password-wrong")
    body = {"current_password": PASSWORD, "new_password": "short"}
    document = problem(await mine.post("/api/v1/me/password", json=body), 422, "password-weak")
    assert document["errors"][0]["pointer"] == "/new_password"
    body["new_password"] = "an entirely new one"
    assert (await mine.post("/api/v1/me/password", json=body)).status_code == 204
    assert (await mine.get("/api/v1/me")).status_code == 200
    problem(await other.get("/api/v1/me"), 401, "session-ended")
    refresh = await world.api.public.post("/api/v1/auth/refresh", json={"refresh_token": there["refresh_token"]})
    problem(refresh, 401, "token-refused")
    await login(world, password="an entirely new one")
    assert await actions("password.") == ["password.changed"]


async def test_sessions_are_listed_and_ended_by_their_owner_alone(world: World) -> None:
    first, second = await world.api.signed_in(world.student), await world.api.signed_in(world.student)
    stranger = await world.api.signed_in(world.stranger)
    listed = (await first.get("/api/v1/me/sessions")).json()["items"]
    assert [row["current"] for row in listed] == [False, True]
    other = listed[0]["id"]
    problem(await stranger.delete(f"/api/v1/me/sessions/{other}"), 404, "session-not-found")
    assert (await second.get("/api/v1/me")).status_code == 200
    assert (await first.delete(f"/api/v1/me/sessions/{other}")).status_code == 204
    problem(await second.get("/api/v1/me"), 401, "session-ended")
    problem(await first.delete(f"/api/v1/me/sessions/{other}"), 404, "session-not-found")
    third = await world.api.signed_in(world.student)
    assert (await first.delete("/api/v1/me/sessions")).status_code == 204
    problem(await third.get("/api/v1/me"), 401, "session-ended")
    assert len((await first.get("/api/v1/me/sessions")).json()["items"]) == 1


async def test_logout_counts_on_the_very_next_request(world: World) -> None:
    opened = await campus.sign_in(world.student.user_id)
    tokens = opened.tokens()
    bearer = world.api.client(authorization=f"Bearer {tokens.access_token}")
    page = world.api.client()
    page.cookies.set("lyceum_session", opened.cookie())
    assert (await bearer.get("/api/v1/me")).status_code == 200
    assert (await page.get("/api/v1/me")).status_code == 200
    assert (await bearer.post("/api/v1/auth/logout")).status_code == 204
    problem(await bearer.get("/api/v1/me"), 401, "session-ended")
    problem(await page.get("/api/v1/me"), 401, "session-ended")
    problem(await bearer.post("/api/v1/auth/logout"), 401, "session-ended")
    refreshed = await world.api.public.post("/api/v1/auth/refresh", json={"refresh_token": tokens.refresh_token})
    problem(refreshed, 401, "token-refused")
    assert await actions("auth.signed_out") == ["auth.signed_out"]


@pytest.mark.parametrize("authorization", ["", " ", "Basic eDp5"])
async def test_a_cookie_beside_an_authorization_header_signs_nothing(world: World, authorization: str) -> None:
    """Else the header would lift the rules of Origin and CSRF token, and the cookie would still sign the person in."""
    opened = await campus.sign_in(world.student.user_id)
    page = world.api.client()
    page.cookies.set("lyceum_session", opened.cookie())
    headers = {"Authorization": authorization, "Origin": "https://elsewhere.example"}
    refused = await page.patch("/api/v1/me", json={"display_name": "Mallory"}, headers=headers)
    assert refused.status_code == 401
    assert (await page.get("/api/v1/me")).json()["display_name"] != "Mallory"


async def test_forged_and_missing_credentials_are_refused(world: World) -> None:
    opened = await campus.sign_in(world.student.user_id)
    token = opened.tokens().access_token
    problem(await world.api.public.get("/api/v1/me"), 401, "authentication-required")
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for bad in (forged, "nonsense", token.rpartition(".")[0] + "."):
        response = await world.api.client(authorization=f"Bearer {bad}").get("/api/v1/me")
        problem(response, 401, "token-refused")
        assert response.headers["www-authenticate"].startswith("Bearer")
    cookie = opened.cookie()
    for bad in (cookie[:-4] + "AAAA", "x", cookie + "AAAA"):
        page = world.api.client()
        page.cookies.set("lyceum_session", bad)
        problem(await page.get("/api/v1/me"), 401, "token-refused")


async def test_a_link_signs_in_once_and_may_set_a_password(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    made = await admin.post(
        "/api/v1/users", json={"email": "invited@uni.example", "display_name": "Invited", "role": "student"}
    )
    assert made.status_code == 201, made.text
    assert made.json()["has_password"] is False
    address = f"/api/v1/users/{made.json()['id']}/sign-in-link"
    earlier = (await admin.post(address)).json()
    link = (await admin.post(address)).json()
    assert link["url"].endswith("#" + link["token"])
    problem(await _use(world, earlier["token"]), 401, "link-refused")
    problem(await _use(world, link["token"], new_password="short"), 422, "password-weak")
    assert (await _use(world, link["token"], new_password=PASSWORD)).status_code == 200
    problem(await _use(world, link["token"]), 401, "link-refused")
    await login(world, "invited@uni.example")
    assert await actions("sign_in_link.") == ["sign_in_link.created"] * 2
    stored = await query.fetch_values("SELECT encode(token_hash, 'escape') FROM one_time_tokens")
    assert link["token"] not in stored


async def test_secrets_are_neither_kept_nor_repeated_for_an_idempotency_key(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    keyed = {"idempotency-key": "again"}
    person = {"email": "new@uni.example", "display_name": "New", "password": PASSWORD}
    for address in (f"/api/v1/users/{world.student.user_id}/sign-in-link", "/api/v1/auth/ws-ticket"):
        first, again = [await admin.post(address, headers=keyed) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201), again.text
        assert "idempotency-replayed" not in again.headers
        assert first.json() != again.json()
    assert (await admin.post("/api/v1/users", json=person, headers=keyed)).status_code == 201
    assert await actions("sign_in_link.") == ["sign_in_link.created"] * 2
    assert await query.fetch_value("SELECT count(*) FROM idempotency_keys") == 0


async def test_a_link_ends_after_its_day(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    link = (await admin.post(f"/api/v1/users/{world.student.user_id}/sign-in-link")).json()
    sessions = await query.fetch_value("SELECT count(*) FROM auth_sessions")
    await query.execute("UPDATE one_time_tokens SET expires_at = now()")
    problem(await _use(world, link["token"]), 401, "link-refused")
    assert await query.fetch_value("SELECT count(*) FROM auth_sessions") == sessions
    await query.execute("UPDATE one_time_tokens SET expires_at = now() + interval '1 minute'")
    assert (await _use(world, link["token"])).status_code == 200, "only its time was over"


async def _use(world: World, token: str, **others: str) -> httpx.Response:
    return await world.api.public.post("/api/v1/auth/link", json={"token": token, **others})


async def test_nobody_makes_a_link_for_somebody_with_more_rights(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    role = await admin.post("/api/v1/roles", json={"name": "registrar", "permissions": ["person.read", "person.write"]})
    assert role.status_code == 201, role.text
    registrar = await world.api.signed_in(await campus.person(world.home, "reg", "registrar"))
    assert (await registrar.post(f"/api/v1/users/{world.student.user_id}/sign-in-link")).status_code == 201
    refused = await registrar.post(f"/api/v1/users/{world.admin.user_id}/sign-in-link")
    problem(refused, 403, "more-than-own-rights")
    assert await actions("permission.refused") == ["permission.refused"]


async def test_an_administrator_of_the_command_line_can_hand_everything_on(world: World) -> None:
    person = await create_administrator("home", "root@uni.example", PASSWORD)
    tokens = await login(world, "root@uni.example")
    client = world.api.client(authorization=f"Bearer {tokens['access_token']}")
    given = await client.post(f"/api/v1/users/{world.student.user_id}/grants", json={"role": "ops"})
    assert given.status_code == 201, given.text
    assert person.email == "root@uni.example"
