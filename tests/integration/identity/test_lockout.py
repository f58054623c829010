"""The lock of an address after repeated failures: known or not, alone or all at once."""

import asyncio
from collections import Counter

import pytest
from argon2 import PasswordHasher

from backend.identity import passwords, service
from backend.identity.errors import SignInFailed, SignInLocked
from backend.identity.passwords import hash_password
from backend.identity.sessions import Origin
from db import query
from tests import campus
from tests.servers import Database

PASSWORD = "correct horse battery"
ORIGIN = Origin()


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here does not depend on the cost of a hash."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024))


async def attempt(email: str, password: str) -> str:
    try:
        await service.sign_in(email, password, ORIGIN)
    except SignInFailed:
        return "failed"
    except SignInLocked as error:
        return "locked" if 0 < (error.retry_after_seconds or 0) <= 15 * 60 else "locked without an end"
    return "in"


async def sam(database_tenant: str = "home") -> str:
    home = await campus.tenant(database_tenant)
    return (await campus.person(home, "sam", "student", password_hash=await hash_password(PASSWORD))).email


@pytest.mark.parametrize("known", [True, False])
async def test_five_failures_lock_an_address_known_or_not(database: Database, known: bool) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        email = email if known else "nobody@home.example"
        assert [await attempt(email, "wrong password") for _ in range(6)] == ["failed"] * 5 + ["locked"]
        assert await attempt(email, PASSWORD) == "locked"
        rows = await query.fetch_values(
            "SELECT action FROM audit_log WHERE starts_with(action, 'auth.') ORDER BY timestamp"
        )
        assert Counter(rows) == {"auth.sign_in_failed": 5, "auth.locked_out": 1, "auth.sign_in_refused": 2}


async def test_others_are_not_locked(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        for _ in range(6):
            await attempt("other@home.example", "wrong password")
        assert await attempt(email, PASSWORD) == "in"


async def test_the_lock_ends_doubles_and_stops_at_a_quarter_of_an_hour(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        for _ in range(5):
            await attempt(email, "wrong password")
        locks = []
        for _ in range(6):
            locks.append(
                await query.fetch_value(
                    "SELECT extract(epoch FROM locked_until - last_failed_at)::int FROM login_failures"
                )
            )
            await query.execute("UPDATE login_failures SET locked_until = now()")
            assert await attempt(email, "wrong password") == "failed"
        assert locks == [60, 120, 240, 480, 900, 900]
        await query.execute("UPDATE login_failures SET locked_until = now()")
        assert await attempt(email, PASSWORD) == "in"
        assert await query.fetch_value("SELECT count(*) FROM login_failures") == 0


async def test_a_day_without_failures_forgets_them(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        for _ in range(4):
            await attempt(email, "wrong password")
        await query.execute("UPDATE login_failures SET last_failed_at = last_failed_at - interval '25 hours'")
        assert [await attempt(email, "wrong password") for _ in range(5)] == ["failed"] * 5
        assert await attempt(email, PASSWORD) == "locked"


async def test_a_burst_learns_no_more_than_five_outcomes(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        outcomes = Counter(await asyncio.gather(*(attempt(email, f"wrong password {n}") for n in range(24))))
        assert outcomes == {"failed": 5, "locked": 19}
        assert await query.fetch_value("SELECT failures FROM login_failures") == 5


async def test_a_right_guess_behind_five_wrong_ones_is_not_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        verified = asyncio.Event()
        real = service.passwords.verify

        async def slow(password_hash: str | None, password: str) -> bool:
            matches = await real(password_hash, password)
            if password == PASSWORD:
                await verified.wait()
            return matches

        monkeypatch.setattr(service.passwords, "verify", slow)
        guess = asyncio.create_task(attempt(email, PASSWORD))
        await asyncio.sleep(0.05)
        for _ in range(5):
            assert await attempt(email, "wrong password") == "failed"
        verified.set()
        assert await guess == "locked"
        assert await query.fetch_value("SELECT count(*) FROM auth_sessions") == 0


async def test_many_right_sign_ins_at_once_all_succeed(database: Database) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        assert Counter(await asyncio.gather(*(attempt(email, PASSWORD) for _ in range(12)))) == {"in": 12}


async def test_a_password_changed_during_verification_is_not_accepted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with campus.opened(campus.settings_for(database.url)):
        email = await sam()
        real = service.passwords.verify

        async def changed_meanwhile(password_hash: str | None, password: str) -> bool:
            matches = await real(password_hash, password)
            await service.reset_password(email, "an entirely new one")
            return matches

        monkeypatch.setattr(service.passwords, "verify", changed_meanwhile)
        assert await attempt(email, PASSWORD) == "failed"
