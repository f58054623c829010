"""The clock's relay and upkeep side by side, under a real lock; what they do is the test's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from actors import clock, upkeep
from actors.upkeep import Task, Upkeep
from db.errors import DatabaseUnavailable
from db.session import LEADER_LOCK_CLASS, SessionLock
from tests.processes import PATIENCE_SECONDS, eventually
from tests.servers import Database
from tests.waiting import SOMEBODY_WAITS

TICK_SECONDS = 0.05


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "TICK_SECONDS", TICK_SECONDS)
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", TICK_SECONDS)
    monkeypatch.setattr(clock, "fire_due", _nothing)


async def _nothing() -> None:
    """Fire no schedule: these tests have no database beside the lock."""


class CountingRelay:
    """Counts the ticks."""

    def __init__(self) -> None:
        self.ticks = 0

    def begin(self) -> None:
        """Take the lead."""

    async def tick(self) -> None:
        """Do nothing else."""
        self.ticks += 1


class LongPurge:
    """A batch that does not end by itself."""

    def __init__(self) -> None:
        self.begun = 0
        self.undone = 0

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.undone += 1
        return 0


class Batches:
    """Returns one number after the other, then 0; an exception is raised."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer


def lane(*batches: Callable[[], Awaitable[int]], seconds: float = 600.0) -> list[Task]:
    return [Task(f"task_{number}", seconds, batch) for number, batch in enumerate(batches)]


@asynccontextmanager
async def leading(database: Database, work: Upkeep) -> AsyncIterator[tuple[CountingRelay, SessionLock]]:
    """A clock that wants to lead."""
    relay, stop, lock = CountingRelay(), asyncio.Event(), SessionLock(database.url, LEADER_LOCK_CLASS, clock.LEADER_KEY)
    leads = asyncio.create_task(clock._lead(lock, relay, work, stop))  # type: ignore[arg-type]
    try:
        yield relay, lock
    finally:
        stop.set()
        await leads
        await lock.release()


async def test_a_long_purge_delays_neither_relay_nor_seal(database: Database) -> None:
    purge, seal = LongPurge(), Batches()
    async with leading(database, Upkeep([lane(seal, seconds=TICK_SECONDS), lane(purge)])) as (relay, _):
        await eventually(lambda: purge.begun == 1)
        ticks, seals = relay.ticks, seal.calls
        await eventually(lambda: relay.ticks >= ticks + 5 and seal.calls >= seals + 3)
        assert (purge.begun, purge.undone) == (1, 0)
    assert purge.undone == 1, "the end of the clock is the end of its purge"


async def test_who_loses_the_lead_stops_purging_and_who_gets_it_starts(database: Database) -> None:
    purge, heir = LongPurge(), LongPurge()
    async with leading(database, Upkeep([lane(purge)])) as (_, lock):
        await eventually(lambda: purge.begun == 1)
        other = SessionLock(database.url, LEADER_LOCK_CLASS, clock.LEADER_KEY)
        assert not await other.acquire(wait=False)
        await _end_session_of(lock, database, other)
        await eventually(lambda: purge.undone == 1)
        await asyncio.sleep(5 * TICK_SECONDS)
        assert purge.begun == 1, "somebody else leads"
        async with leading(database, Upkeep([lane(heir)])):
            await asyncio.sleep(5 * TICK_SECONDS)
            assert heir.begun == 0
        await other.release()
        await eventually(lambda: purge.begun == 2)


async def _end_session_of(lock: SessionLock, database: Database, heir: SessionLock) -> None:
    """Cut the leader's connection and let `heir` have the lock before the leader looks again."""
    assert lock._connection is not None
    pid = lock._connection.get_server_pid()
    waiting = asyncio.create_task(heir.acquire())
    administrator = await asyncpg.connect(database.url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await administrator.fetchval(SOMEBODY_WAITS):
            await asyncio.sleep(0.005)
    await administrator.execute("SELECT pg_terminate_backend($1)", pid)
    await administrator.close()
    await waiting


async def test_a_task_that_fails_stops_no_other_and_is_tried_again(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, away = Batches(KeyError("secret")), Batches(DatabaseUnavailable("down"))
    good, later = Batches(3, 2), Batches()
    tasks = lane(broken, away, good, later, seconds=4 * TICK_SECONDS)
    async with leading(database, Upkeep([tasks])) as (relay, _):
        await eventually(lambda: min(each.calls for each in (broken, away, good, later)) >= 4)
        assert relay.ticks
    logged = capsys.readouterr()
    text = logged.out + logged.err
    assert "upkeep_failed" in text
    assert "upkeep_without_database" in text
    assert "secret" not in text
    assert "count=5" in text, "batches follow each other until nothing is left"


async def test_what_is_not_due_is_left(database: Database) -> None:
    rare, often = Batches(), Batches()
    tasks = [Task("rare", 600.0, rare), Task("often", 0.0, often)]
    async with leading(database, Upkeep([tasks])):
        await eventually(lambda: often.calls >= 5)
    assert rare.calls == 1
