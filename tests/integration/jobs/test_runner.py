"""One attempt, however it ends."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from actors.actor import REGISTRY, Actor
from actors.runner import Runner
from actors.tools import Tools
from backend.errors import NotFound
from backend.jobs.attempt import Job
from backend.jobs.errors import PermanentFailure
from db import query
from db.errors import LeaseLost
from db.jobs import EndedJob, JobKind, RetrySchedule
from db.repositories import job_upkeep, jobs
from db.repositories.jobs import JobRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.integration.jobs.conftest import Someone


class Work(msgspec.Struct, frozen=True):
    name: str


KIND = JobKind(
    name="test.run",
    args=Work,
    queue="default",
    priority=0,
    retry=RetrySchedule((60.0,)),
    time_limit_seconds=30,
    max_age_seconds=600,
    concurrency_per_tenant=10,
    concurrency_per_key=1,
    concurrency_key=lambda _: None,
    cancellable=True,
    schedulable=False,
    dedupe_key=lambda _: None,
)
QUICK = msgspec.structs.replace(KIND, name="test.quick", time_limit_seconds=0.2)

Body = Callable[[Job[Work, Any]], Awaitable[None]]


class Bench:
    """Runs jobs whose work is given by the test, and notes what the domain is told."""

    def __init__(self, someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
        self.someone = someone
        self.ends: list[EndedJob] = []
        self.stopped = False
        self.runner = Runner(new_id(), cast(Tools, None), lease_seconds=1.2)
        self._patch = monkeypatch

    def declare(self, body: Body, kind: JobKind[Work]) -> None:
        async def on_end(_uow: UnitOfWork, job: EndedJob, _args: Work) -> None:
            self.ends.append(job)

        self._patch.setitem(REGISTRY, kind.name, Actor(kind=kind, run=cast(Any, body), on_end=on_end))

    async def accept(self, body: Body, kind: JobKind[Work] = KIND) -> JobId:
        self.declare(body, kind)
        async with unit_of_work() as uow:
            return await uow.enqueue(kind, Work("w"), subject=self.someone)

    async def sleep(self, job: Job[Work, Any]) -> None:
        """Work that lasts until it is stopped."""
        try:
            await asyncio.sleep(20)
        finally:
            self.stopped = True

    async def row(self, job_id: JobId) -> JobRow:
        row = await jobs.get(job_id, self.someone.tenant_id)
        assert row is not None
        return row

    async def begun(self, job_id: JobId) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.runner.run(job_id))
        while (await self.row(job_id)).state != "running":
            await asyncio.sleep(0.01)
        return task


@pytest.fixture
def bench(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(someone, monkeypatch)


async def test_work_that_ends_its_job_with_its_effects(bench: Bench) -> None:
    async def body(job: Job[Work, Any]) -> None:
        assert job.args == Work("w")
        await job.attempt.report("counting", 1, 2)
        async with unit_of_work() as uow:
            await uow.audit(bench.someone, "thing.counted")
            await job.attempt.succeed(uow)

    job_id = await bench.accept(body)
    await bench.runner.run(job_id)
    await bench.runner.run(job_id)  # the message came twice

    row = await bench.row(job_id)
    assert (row.state, row.attempt, row.stage, row.items_done, row.items_total) == ("succeeded", 1, "counting", 1, 2)
    assert await query.fetch_value("SELECT count(*) FROM audit_log") == 1
    assert [event.type for event in await jobs.events_after(job_id, 0)] == ["started", "progress", "succeeded"]
    assert bench.ends == []


async def test_work_that_just_returns_has_succeeded(bench: Bench) -> None:
    async def body(_job: Job[Work, Any]) -> None:
        return

    job_id = await bench.accept(body)
    await bench.runner.run(job_id)
    assert (await bench.row(job_id)).state == "succeeded"


async def test_a_failure_waits_for_its_retry_and_the_last_one_tells_the_domain(bench: Bench) -> None:
    async def body(_job: Job[Work, Any]) -> None:
        raise OSError("the disk said something secret")

    job_id = await bench.accept(body)
    await bench.runner.run(job_id)
    row = await bench.row(job_id)
    assert (row.state, row.attempt, bench.ends) == ("waiting", 1, [])
    assert row.retry_at is not None
    assert "secret" not in str(row.error)

    await query.execute("UPDATE jobs SET retry_at = now()")
    await bench.runner.run(job_id)
    assert (await bench.row(job_id)).state == "dead"
    assert [end.error.type for end in bench.ends if end.error] == ["os-error"]


@pytest.mark.parametrize(
    ("error", "kind"), [(PermanentFailure("no-text", "Only pictures."), "no-text"), (NotFound("Gone."), "not-found")]
)
async def test_what_cannot_get_better_is_not_tried_again(bench: Bench, error: Exception, kind: str) -> None:
    async def body(_job: Job[Work, Any]) -> None:
        raise error

    job_id = await bench.accept(body)
    await bench.runner.run(job_id)
    row = await bench.row(job_id)
    assert (row.state, row.attempt) == ("dead", 1)
    assert [end.error.type for end in bench.ends if end.error] == [kind]


async def test_arguments_of_another_version_end_the_job_at_once(bench: Bench) -> None:
    job_id = await bench.accept(bench.sleep)
    await query.execute("""UPDATE jobs SET args = '{"nome": 1}'""")
    await bench.runner.run(job_id)
    row = await bench.row(job_id)
    assert (row.state, row.attempt) == ("dead", 1)
    assert "arguments-unreadable" in str(row.error)


async def test_the_time_limit_stops_the_work_for_real(bench: Bench) -> None:
    job_id = await bench.accept(bench.sleep, QUICK)
    await bench.runner.run(job_id)
    row = await bench.row(job_id)
    assert (row.state, bench.stopped) == ("waiting", True)
    assert "time-limit" in str(row.error)


async def test_a_cancelled_job_stops_and_tells_the_domain(bench: Bench) -> None:
    job_id = await bench.accept(bench.sleep)
    task = await bench.begun(job_id)
    async with unit_of_work() as uow:
        await jobs.request_cancel(uow, job_id, bench.someone.tenant_id)
    await asyncio.wait_for(task, 5)
    assert ((await bench.row(job_id)).state, bench.stopped) == ("cancelled", True)
    assert [end.error for end in bench.ends] == [None]


async def test_a_job_taken_away_stops_here_and_writes_nothing(bench: Bench) -> None:
    job_id = await bench.accept(bench.sleep)
    task = await bench.begun(job_id)
    (lost,) = await job_upkeep.lost_jobs()  # nobody holds this worker's lock
    async with unit_of_work() as uow:
        await job_upkeep.give_back(uow, lost)
    await asyncio.wait_for(task, 5)
    assert ((await bench.row(job_id)).state, bench.stopped, bench.ends) == ("waiting", True, [])


async def test_a_worker_told_to_stop_hands_its_jobs_back(bench: Bench) -> None:
    job_id = await bench.accept(bench.sleep)
    task = await bench.begun(job_id)
    bench.runner.hand_back()
    await asyncio.wait_for(task, 5)
    row = await bench.row(job_id)
    assert (row.state, bench.stopped, row.max_attempts) == ("queued", True, KIND.retry.max_attempts + 1)
    await bench.runner.run(job_id)  # a message that was under way
    assert (await bench.row(job_id)).state == "queued"


async def test_a_long_job_keeps_its_lease(bench: Bench) -> None:
    async def body(_job: Job[Work, Any]) -> None:
        await asyncio.sleep(2.5)  # twice the lease

    job_id = await bench.accept(body)
    await bench.runner.run(job_id)
    row = await bench.row(job_id)
    assert (row.state, row.attempt) == ("succeeded", 1)


async def test_work_that_will_not_stop_can_write_nothing(bench: Bench) -> None:
    """It swallows its cancellation and goes on after the time limit, while the next attempt does the job."""
    runs: list[asyncio.Task[None]] = []
    late: list[str] = []
    is_given_up = asyncio.Event()

    async def body(job: Job[Work, Any]) -> None:
        async def stubborn() -> None:
            await is_given_up.wait()
            try:
                async with unit_of_work() as uow:
                    await uow.audit(bench.someone, "late.effect")
                    await job.attempt.succeed(uow)
            except LeaseLost:
                late.append("refused")

        if job.attempt.claim.attempt == 1:
            runs.append(asyncio.create_task(stubborn(), context=contextvars.Context()))
            await asyncio.sleep(20)
        await runs[0]

    job_id = await bench.accept(body, QUICK)
    await bench.runner.run(job_id)
    assert (await bench.row(job_id)).state == "waiting"
    is_given_up.set()
    await runs[0]
    await query.execute("UPDATE jobs SET retry_at = now()")
    await bench.runner.run(job_id)
    assert ((await bench.row(job_id)).state, late) == ("succeeded", ["refused"])
    assert await query.fetch_value("SELECT count(*) FROM audit_log") == 0
