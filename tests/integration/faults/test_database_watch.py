"""A process's pool while PostgreSQL refuses, falls silent, loses its connections, and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from db import query
from db.errors import DatabaseUnavailable
from db.session import RELEASE_SECONDS, SessionLock
from db.unit_of_work import unit_of_work
from db.watch import watched_database
from tests import campus
from tests.integration.faults.link import FAULTS, Fault, Link, linked
from tests.servers import Database

pytestmark = pytest.mark.long

FAILED_WITHIN_SECONDS = 5.0
BACK_WITHIN_SECONDS = 10.0
LOCK_CLASS = 7


def through(url: str, link: Link) -> str:
    """The address of the same server behind the link."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{link.port}"))


@pytest.fixture
async def broken(database: Database) -> AsyncIterator[tuple[Link, str]]:
    """A watched pool behind a link."""
    with linked(urlsplit(database.url).port or 0) as link:
        url = through(database.url, link)
        async with watched_database(campus.settings_for(url), pool_size=4, wait_seconds=10):
            assert await query.fetch_value("SELECT 1") == 1
            yield link, url
            link.mend()


async def ask() -> tuple[bool, float]:
    """Whether there was an answer, and after how many seconds."""
    started = time.perf_counter()
    try:
        await query.fetch_value("SELECT pg_sleep(0.5)")
    except DatabaseUnavailable:
        return False, time.perf_counter() - started
    return True, time.perf_counter() - started


async def seconds_until_answer() -> float:
    started = time.perf_counter()
    while time.perf_counter() - started < BACK_WITHIN_SECONDS:
        try:
            await query.fetch_value("SELECT 1")
        except DatabaseUnavailable:
            await asyncio.sleep(0.05)
        else:
            break
    return time.perf_counter() - started


@pytest.mark.parametrize("fault", FAULTS)
async def test_whoever_waits_fails_in_time_and_the_pool_comes_back(broken: tuple[Link, str], fault: Fault) -> None:
    link, _ = broken
    waiting = [asyncio.create_task(ask()) for _ in range(8)]  # more than the pool holds
    await asyncio.sleep(0.05)
    link.fail(fault)
    asked = await asyncio.gather(*waiting)
    assert max(seconds for _, seconds in asked) < FAILED_WITHIN_SECONDS
    assert not all(answered for answered, _ in asked)
    if fault != "half-open":
        assert not any(answered for answered, _ in asked)
        answered, seconds = await ask()
        assert not answered
        assert seconds < 0.5
    link.mend()
    assert await seconds_until_answer() < BACK_WITHIN_SECONDS


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_transaction_cut_off_frees_its_task_for_the_next(broken: tuple[Link, str], fault: Fault) -> None:
    link, _ = broken
    with pytest.raises(DatabaseUnavailable):
        async with unit_of_work() as uow:
            await uow.audit(None, "test.begun")
            link.fail(fault)
            await uow.audit(None, "test.lost")
    link.mend()
    await seconds_until_answer()
    async with unit_of_work() as uow:
        await uow.audit(None, "test.again")
    assert await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'test.%'") == ["test.again"]


async def test_a_slow_statement_is_no_outage(broken: tuple[Link, str]) -> None:
    assert await query.fetch_value("SELECT 1 FROM pg_sleep(4.5)") == 1


async def test_a_session_ended_alone_leaves_the_pool(broken: tuple[Link, str]) -> None:
    slow = asyncio.create_task(query.fetch_value("SELECT 1 FROM pg_sleep(1.5)"))
    await asyncio.sleep(0.1)
    ended = await query.fetch_value(
        """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
           WHERE datname = current_database() AND query = 'SELECT 1' AND pid <> pg_backend_pid()"""
    )
    assert ended >= 1
    assert await slow == 1


async def test_a_lock_behind_a_silent_link_is_given_up(broken: tuple[Link, str]) -> None:
    link, url = broken
    lock = SessionLock(url, LOCK_CLASS, 1)
    await lock.acquire()
    link.fail("stall")
    started = time.perf_counter()
    with pytest.raises(DatabaseUnavailable):
        await lock.is_held()
    with pytest.raises(DatabaseUnavailable):
        await lock.acquire()
    assert time.perf_counter() - started < 12
    link.mend()
    assert not await lock.is_held()
    assert await lock.acquire()
    await lock.release()


async def test_a_lock_behind_a_silent_link_is_let_go(broken: tuple[Link, str]) -> None:
    link, url = broken
    lock = SessionLock(url, LOCK_CLASS, 1)
    await lock.acquire()
    link.fail("stall")
    started = time.perf_counter()
    await lock.release()
    assert time.perf_counter() - started < 2 * RELEASE_SECONDS
    assert not await lock.is_held()
