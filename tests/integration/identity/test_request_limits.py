"""What counts as a sign-in per address and what does not, and where the limits come from."""

import pytest

from backend.kit.ratelimit import RateLimits
from ops.runtime.settings import Settings, SettingsError, load_settings
from tests import api, campus
from tests.api import Api, problem
from tests.integration.identity.conftest import CONTROLLERS
from tests.servers import Database

FEW = RateLimits(sign_ins=2, links=3, refreshes=6)


async def test_clients_that_renew_their_tokens_take_no_sign_in_from_their_neighbours(
    database: Database, valkey_url: str
) -> None:
    async with api.running(database.url, valkey_url, limits=FEW, controllers=CONTROLLERS) as running:
        person = await campus.person(await campus.tenant("home"), "ada")
        token = (await campus.sign_in(person.user_id)).refresh_token
        for _ in range(FEW.refreshes):
            renewed = await running.public.post("/api/v1/auth/refresh", json={"refresh_token": token})
            assert renewed.status_code == 200, renewed.text
            token = renewed.json()["refresh_token"]
        problem(await running.public.post("/api/v1/auth/refresh", json={"refresh_token": token}), 429, "rate-limited")
        assert await _tries(running, "link", {"token": "guessed"}) == FEW.links
        assert await _tries(running, "login", {"email": "ada@home.example", "password": "guessed"}) == FEW.sign_ins


async def _tries(running: Api, way: str, body: dict[str, str]) -> int:
    """How many guesses are looked at before the address is told to slow down."""
    for count in range(100):
        answer = await running.public.post(f"/api/v1/auth/{way}", json=body)
        if answer.status_code == 429:
            assert problem(answer, 429, "rate-limited")
            return count
        assert answer.status_code == 401
    raise AssertionError("never told to slow down")


async def test_limits_are_settings(database: Database, valkey_url: str) -> None:
    others = {"rate_reads": 7, "rate_sign_ins": 9}
    running = api.running(database.url, valkey_url, limits=None, controllers=CONTROLLERS, **others)
    async with running as opened:
        person = await opened.signed_in(await campus.person(await campus.tenant("home"), "ada"))
        assert (await person.get("/api/v1/me")).headers["ratelimit-limit"] == "7"
        refused = await opened.public.post("/api/v1/auth/login", json={"email": "a@b.example", "password": "x"})
        assert refused.headers["ratelimit-limit"] == "9"


def test_the_settings_say_what_the_gate_does_by_itself() -> None:
    assert RateLimits.of(Settings()) == RateLimits()
    assert RateLimits.of(load_settings({"LYCEUM_RATE_REFRESHES": "5"})).refreshes == 5


def test_no_limit_can_be_none_at_all() -> None:
    for value in ("0", "-1", "many"):
        with pytest.raises(SettingsError, match="LYCEUM_RATE_LINKS"):
            load_settings({"LYCEUM_RATE_LINKS": value})
