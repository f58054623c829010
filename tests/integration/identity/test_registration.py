"""Registration outside development: for listed domains, and nothing works before an administrator has confirmed it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.kit.subject import Subject
from db import query
from ops.runtime.settings import Settings, SettingsError, load_settings
from tests import api, campus
from tests.api import Api, problem
from tests.integration.identity.conftest import CONTROLLERS
from tests.servers import Database

PASSWORD = "correct horse battery"
OWN_CHOICE = "battery horse correct"
NEW = "sara@uni.example"
VARIES = {"x-request-id", "date", "ratelimit-remaining", "ratelimit-reset"}


@pytest.fixture
async def running(database: Database, valkey_url: str) -> AsyncIterator[Api]:
    settings: dict[str, Any] = {"env": "staging", "registration_domains": "uni.example, School.Example"}
    async with api.running(database.url, valkey_url, controllers=CONTROLLERS, **settings) as opened:
        yield opened


@pytest.fixture
async def admin(running: Api) -> Subject:
    return await campus.person(await campus.tenant("home"), "ada", "admin", email="ada@uni.example")


async def register(running: Api, email: str, password: str = PASSWORD) -> httpx.Response:
    body = {"email": email, "password": password, "display_name": "Sara"}
    return await running.public.post("/api/v1/auth/register", json=body)


async def sign_in(running: Api, password: str) -> httpx.Response:
    return await running.public.post("/api/v1/auth/login", json={"email": NEW, "password": password})


async def test_an_account_waits_for_an_administrator_and_its_password_is_chosen_behind_the_link(
    running: Api, admin: Subject
) -> None:
    assert (await register(running, NEW)).status_code == 202
    problem(await sign_in(running, PASSWORD), 401, "sign-in-failed")
    client = await running.signed_in(admin)
    (waiting,) = (await client.get("/api/v1/users", params={"account_state": "disabled"})).json()["items"]
    assert (waiting["email"], waiting["has_password"]) == (NEW, False)
    address = f"/api/v1/users/{waiting['id']}"
    problem(await client.post(f"{address}/sign-in-link"), 404, "person-not-found")
    assert (await client.patch(address, json={"state": "active"})).status_code == 200
    problem(await sign_in(running, PASSWORD), 401, "sign-in-failed")
    link = (await client.post(f"{address}/sign-in-link")).json()
    body = {"token": link["token"], "new_password": OWN_CHOICE}
    assert (await running.public.post("/api/v1/auth/link", json=body)).status_code == 200
    assert (await sign_in(running, OWN_CHOICE)).status_code == 200
    assert [grant["role"] for grant in (await client.get(f"{address}/grants")).json()["items"]] == ["student"]


async def test_a_known_address_gets_the_same_answer_and_stays_as_it_is(running: Api, admin: Subject) -> None:
    away = await campus.person(await campus.tenant("away"), "eve", email="eve@school.example")
    before = await _people()
    fresh = await register(running, NEW)
    added = await _people()
    for known in (NEW, admin.email.upper(), away.email):
        again = await register(running, known)
        assert (
            (again.status_code, again.content) == (fresh.status_code, fresh.content) == (202, b'{"state":"received"}')
        )
        assert _headers(again) == _headers(fresh)
    assert len(added) == len(before) + 1
    assert await _people() == added
    rows = await query.fetch_values("SELECT action FROM audit_log WHERE starts_with(action, 'person.reg') ORDER BY id")
    assert rows == ["person.registered", *["person.registration_repeated"] * 3]
    other = "SELECT count(*) FROM audit_log WHERE action LIKE 'person.reg%' AND metadata->>'user_id' = $1"
    assert await query.fetch_value(other, str(away.user_id)) == 0, "another tenant's people stay unknown"


@pytest.mark.parametrize("email", ["sara@else.example", "sara@sub.uni.example", "sara@uni.example.evil.example"])
async def test_other_domains_stay_closed(running: Api, email: str) -> None:
    problem(await register(running, email), 403, "registration-closed")
    assert await _people() == []


async def test_a_weak_password_is_refused_whoever_has_the_address(running: Api, admin: Subject) -> None:
    for email in (NEW, admin.email):
        problem(await register(running, email, "short"), 422, "password-weak")
    assert (await register(running, "sara@SCHOOL.example")).status_code == 202


def test_domains_are_checked_when_settings_are_read() -> None:
    assert Settings().domains_of_registration == frozenset()
    for wrong in ("sara@uni.example", "uni", "*.uni.example", "uni example.org"):
        with pytest.raises(SettingsError, match="LYCEUM_REGISTRATION_DOMAINS"):
            load_settings({"LYCEUM_REGISTRATION_DOMAINS": wrong})


async def _people() -> list[str]:
    return await query.fetch_values("SELECT concat(email, state, password_hash, updated_at) FROM users ORDER BY id")


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in VARIES}
