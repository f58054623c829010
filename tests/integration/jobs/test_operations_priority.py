"""Whoever has the lowest number starts first, in whatever order the messages come; and nobody is forgotten for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from backend.jobs.attempt import Job
from db import query
from db.jobs import JobKind
from db.repositories import claims, job_acts, job_upkeep
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_limits import another_tenant
from tests.integration.jobs.test_runner import KIND, Bench, Work

URGENT: JobKind[Work] = msgspec.structs.replace(KIND, name="test.urgent", priority=1)
ORDINARY: JobKind[Work] = msgspec.structs.replace(KIND, name="test.ordinary", priority=5)
NARROW: JobKind[Work] = msgspec.structs.replace(KIND, name="test.narrow", priority=1, concurrency_per_tenant=1)
ELSEWHERE: JobKind[Work] = msgspec.structs.replace(KIND, name="test.elsewhere", priority=0, queue="exams")
KINDS = [URGENT, ORDINARY, NARROW, ELSEWHERE]
MOMENT_SECONDS = 0.2

Started = list[str]


@pytest.fixture
def bench(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(someone, monkeypatch)


@pytest.fixture
def started(bench: Bench) -> Started:
    """The names of the jobs in the order of their starts."""
    names: Started = []

    async def body(job: Job[Work, Any]) -> None:
        names.append(job.args.name)

    for kind in KINDS:
        bench.declare(body, kind)
    return names


async def pushed(someone: Someone, kind: JobKind[Work], *names: str) -> list[JobId]:
    """Jobs whose messages are out."""
    async with unit_of_work() as uow:
        ids = [await uow.enqueue(kind, Work(name), subject=someone) for name in names]
    await query.execute("UPDATE jobs SET pushed_at = now() WHERE id = ANY($1)", ids)
    return ids


async def prioritise(someone: Someone, job_id: JobId, priority: int) -> None:
    async with unit_of_work() as uow:
        job = await job_acts.hold(uow, job_id, someone.tenant_id)
        assert job is not None
        await job_acts.set_priority(uow, job, priority)


async def test_a_message_starts_the_most_urgent_job_of_its_queue(bench: Bench, started: Started) -> None:
    first, second, third = await pushed(bench.someone, ORDINARY, "first", "second", "third")
    (urgent,) = await pushed(bench.someone, URGENT, "urgent")
    await pushed(bench.someone, ELSEWHERE, "elsewhere")
    await prioritise(bench.someone, third, 2)
    for message in (first, second, third, urgent):
        await bench.runner.run(message)
    assert started == ["urgent", "third", "first", "second"]


async def test_among_equals_the_message_is_its_own_job_s(bench: Bench, started: Started) -> None:
    first, second, third = await pushed(bench.someone, ORDINARY, "first", "second", "third")
    for message in (second, third, first):
        await bench.runner.run(message)
    assert started == ["second", "third", "first"]


async def test_without_messages_out_nothing_overtakes(bench: Bench, started: Started) -> None:
    (ordinary,) = await pushed(bench.someone, ORDINARY, "ordinary")
    (urgent,) = await pushed(bench.someone, URGENT, "urgent")
    await query.execute("UPDATE jobs SET pushed_at = NULL WHERE id = $1", urgent)
    await bench.runner.run(ordinary)
    assert started == ["ordinary"]


async def test_one_overtaken_before_its_push_was_noted_is_left_to_the_other_s_message(
    bench: Bench, started: Started
) -> None:
    (ordinary,) = await pushed(bench.someone, ORDINARY, "ordinary")
    (urgent,) = await pushed(bench.someone, URGENT, "urgent")
    await query.execute("UPDATE jobs SET pushed_at = NULL WHERE id = $1", ordinary)
    await bench.runner.run(ordinary)
    await bench.runner.run(urgent)
    assert started == ["urgent", "ordinary"]


async def test_a_message_is_not_wasted_on_what_has_no_place(bench: Bench, started: Started) -> None:
    """The urgent one's tenant is at its limit: another tenant's job does not wait for that."""
    other = await another_tenant("two")
    running, waiting = await pushed(bench.someone, NARROW, "runs", "waits")
    assert await claims.claim(running, new_id(), 60) is not None
    (foreign,) = await pushed(other, ORDINARY, "foreign")
    await bench.runner.run(foreign)
    assert started == ["foreign"]
    assert await query.fetch_value("SELECT waits_for FROM jobs WHERE id = $1", waiting) == "place"


async def test_workers_of_an_older_version_leave_new_kinds_alone(bench: Bench, started: Started) -> None:
    (ordinary,) = await pushed(bench.someone, ORDINARY, "ordinary")
    await pushed(bench.someone, URGENT, "urgent")
    claim = await claims.claim_next(ordinary, new_id(), 60, [ORDINARY.name])
    assert claim is not None
    assert claim.job_id == ordinary
    assert started == []


async def test_a_worker_that_stops_gives_back_what_its_message_stood_for(bench: Bench, started: Started) -> None:
    (ordinary,) = await pushed(bench.someone, ORDINARY, "ordinary")
    (urgent,) = await pushed(bench.someone, URGENT, "urgent")
    await bench.runner.run(ordinary)  # starts the urgent one, whose message is the ordinary one's now
    bench.runner.drain()
    await bench.runner.run(urgent)
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute'")
    assert [row.id for row in await job_upkeep.jobs_to_push([])] == [ordinary]
    assert started == ["urgent"]


async def test_as_many_jobs_start_as_there_are_messages(bench: Bench, started: Started) -> None:
    """Many workers, priorities changed all the time, a claim that is held up: each message starts one job."""
    someone = bench.someone
    ids = [
        *await pushed(someone, msgspec.structs.replace(ORDINARY, concurrency_per_tenant=100), *map(str, range(20))),
        *await pushed(someone, msgspec.structs.replace(URGENT, concurrency_per_tenant=100), *map(str, range(20, 40))),
    ]

    async def held_up() -> None:
        async with unit_of_work():
            await query.execute("SELECT id FROM jobs WHERE id = $1 FOR UPDATE", ids[25])
            await asyncio.sleep(MOMENT_SECONDS)

    async def moved() -> None:
        for place in range(0, 40, 5):
            await prioritise(someone, ids[place], 3)

    work: list[Callable[[], Awaitable[None]]] = [held_up, moved]
    await asyncio.gather(*(begin() for begin in work), *(bench.runner.run(message) for message in ids))
    assert sorted(map(int, started)) == list(range(40))
    assert await query.fetch_values("SELECT DISTINCT state FROM jobs") == ["succeeded"]
