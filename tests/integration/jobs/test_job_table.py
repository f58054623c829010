"""The job table as a queue."""

import asyncio

import msgspec
import pytest

from db import query
from db.errors import LeaseLost
from db.jobs import JobError, JobKind, RetrySchedule
from db.repositories import claims, job_upkeep, jobs, workers
from db.repositories.claims import LOSSES_IN_COMPANY
from db.session import WORKER_LOCK_CLASS, SessionLock
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.integration.jobs.conftest import Someone
from tests.servers import Database


class Work(msgspec.Struct):
    name: str


WORK = JobKind(
    name="test.work",
    args=Work,
    queue="default",
    priority=0,
    retry=RetrySchedule((0.0, 0.0)),
    time_limit_seconds=10,
    max_age_seconds=60,
    concurrency_per_tenant=2,
    concurrency_per_key=1,
    concurrency_key=lambda _: None,
    cancellable=True,
    schedulable=False,
    dedupe_key=lambda args: args.name or None,
)


async def test_a_job_is_claimed_once_and_a_stale_attempt_cannot_write(someone: Someone) -> None:
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(WORK, Work("a"), subject=someone)
    worker = new_id()
    taken = [c for c in await asyncio.gather(*(claims.claim(job_id, worker, 5) for _ in range(8))) if c]
    assert len(taken) == 1
    stale = taken[0]

    (lost,) = await job_upkeep.lost_jobs()  # no process holds the worker's lock
    async with unit_of_work() as uow:
        assert await job_upkeep.give_back(uow, lost) is None
    fresh = await claims.claim(job_id, worker, 5)
    assert fresh is not None
    assert fresh.attempt == 2

    with pytest.raises(LeaseLost):
        async with unit_of_work() as uow:
            await uow.audit(someone, "stale.effect")
            await jobs.succeed(uow, stale)
    assert await jobs.renew(stale, 5) == "lost"
    assert await query.fetch_value("SELECT count(*) FROM audit_log") == 0

    async with unit_of_work() as uow:
        await uow.audit(someone, "true.effect")
        await jobs.succeed(uow, fresh)
    row = await jobs.get(job_id, someone.tenant_id)
    assert row is not None
    assert (row.state, row.attempt) == ("succeeded", 2)
    assert [e.seq for e in await jobs.events_after(job_id, 0)] == [1, 2, 3, 4]


async def test_a_worker_that_holds_its_lock_is_not_lost(someone: Someone, database: Database) -> None:
    worker = new_id()
    key = await workers.add_worker(worker, "here", 1, ["default"])
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(WORK, Work("a"), subject=someone)
    async with SessionLock(database.url, WORKER_LOCK_CLASS, key):
        assert await claims.claim(job_id, worker, 60)
        assert await job_upkeep.lost_jobs() == []
    assert [job.id for job in await job_upkeep.lost_jobs()] == [job_id]


async def test_attempts_run_out_also_when_every_worker_dies(someone: Someone) -> None:
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(WORK, Work("poison"), subject=someone)
    ends, waits = [], []
    for _ in range(WORK.retry.max_attempts):
        assert await claims.claim(job_id, new_id(), 5)
        (lost,) = await job_upkeep.lost_jobs()
        async with unit_of_work() as uow:
            ended = await job_upkeep.give_back(uow, lost)
            ends.append(ended and ended.error)
            waits.append(await query.fetch_value("SELECT extract(epoch FROM retry_at - now())::int FROM jobs"))
        await query.execute("UPDATE jobs SET retry_at = now()")
    assert waits == [0, 1, 4], "others get their turn between one death and the next"
    assert ends == [None, None, job_upkeep.WORKER_LOST]
    assert await claims.claim(job_id, new_id(), 5) is None


async def test_a_loss_beside_others_is_no_end(someone: Someone) -> None:
    """Not even for a job with one attempt: only what a worker lost with no other suspect beside it can be dead of that."""
    once = msgspec.structs.replace(WORK, name="test.once", retry=RetrySchedule(()))
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(once, Work("once"), subject=someone)
    seen = []
    for _ in range(LOSSES_IN_COMPANY + 1):
        claimed = await claims.claim(job_id, new_id(), 5)
        assert claimed is not None
        (lost,) = await job_upkeep.lost_jobs()
        async with unit_of_work() as uow:
            ended = await job_upkeep.give_back(uow, lost)
        seen.append((claimed.attempt, claimed.max_attempts, ended is not None))
        await query.execute("UPDATE jobs SET retry_at = now()")
    assert seen == [(1, 1, False), (2, 2, False), (3, 3, True)]


async def test_the_limit_per_tenant_makes_the_third_wait(someone: Someone) -> None:
    async with unit_of_work() as uow:
        ids = [await uow.enqueue(WORK, Work(str(n)), subject=someone) for n in range(3)]
    taken = await asyncio.gather(*(claims.claim(job_id, new_id(), 5) for job_id in ids))
    assert sum(c is not None for c in taken) == 2
    waiting = [row for row in [await jobs.get(i, someone.tenant_id) for i in ids] if row and row.state == "waiting"]
    assert len(waiting) == 1
    assert waiting[0].retry_at is not None


async def test_a_failed_attempt_waits_and_the_last_one_is_dead(someone: Someone) -> None:
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(WORK, Work("a"), subject=someone)
    error = JobError(type="broken", detail="It broke.")
    for expected in ("waiting", "waiting", "dead"):
        claim = await claims.claim(job_id, new_id(), 5)
        assert claim is not None
        async with unit_of_work() as uow:
            assert await jobs.fail(uow, claim, error, 0.0) == expected


async def test_a_cancelled_job_is_never_started_and_a_running_one_is_told(someone: Someone) -> None:
    async with unit_of_work() as uow:
        waiting = await uow.enqueue(WORK, Work("waits"), subject=someone)
        running = await uow.enqueue(WORK, Work("runs"), subject=someone)
    claim = await claims.claim(running, new_id(), 5)
    assert claim is not None
    async with unit_of_work() as uow:
        assert await jobs.request_cancel(uow, waiting, someone.tenant_id) == "queued"
        assert await jobs.request_cancel(uow, running, someone.tenant_id) == "running"
        assert await jobs.request_cancel(uow, running, new_id()) is None

    assert await claims.claim(waiting, new_id(), 5) is None
    assert await jobs.renew(claim, 5) == "cancel"
    async with unit_of_work() as uow:
        assert await jobs.report(uow, claim, "step") == "cancel"
    (unwanted,) = await job_upkeep.unwanted_jobs("cancelled")
    async with unit_of_work() as uow:
        ended = await job_upkeep.end_unwanted(uow, unwanted, "cancelled")
    assert ended is not None
    assert (ended.job_id, ended.error) == (waiting, None)
    async with unit_of_work() as uow:
        assert await jobs.request_cancel(uow, waiting, someone.tenant_id) == "cancelled"


async def test_only_what_redis_cannot_have_is_pushed_again(someone: Someone) -> None:
    async with unit_of_work() as uow:
        first, second = [await uow.enqueue(WORK, Work(name), subject=someone) for name in "ab"]
    async with unit_of_work():  # in which it is always now
        await query.execute("UPDATE jobs SET created_at = now()")
        assert await job_upkeep.jobs_to_push([]) == [], "the push after the commit has a second"
    await query.execute("UPDATE jobs SET created_at = now() - interval '5 minutes'")
    rows = await job_upkeep.jobs_to_push([])
    assert [row.id for row in rows] == [first, second]
    await job_upkeep.mark_pushed(rows)
    assert await job_upkeep.jobs_to_push(["default"]) == []
    await query.execute("UPDATE jobs SET pushed_at = now() - interval '2 minutes' WHERE id = $1", second)
    assert await job_upkeep.jobs_to_push([]) == []
    assert [row.id for row in await job_upkeep.jobs_to_push(["default"])] == [second]
    assert await job_upkeep.forget_pushes(["ingest"]) == 0
    assert await job_upkeep.forget_pushes(["default"]) == 2


async def test_a_dead_worker_is_noted_once(someone: Someone, database: Database) -> None:
    dead, alive = new_id(), new_id()
    await workers.add_worker(dead, "here", 1, ["default", "ingest"])
    key = await workers.add_worker(alive, "here", 2, ["exams"])
    await query.execute("UPDATE workers SET started_at = now() - interval '1 minute'")
    async with SessionLock(database.url, WORKER_LOCK_CLASS, key):
        assert await workers.note_dead_workers() == ["default", "ingest"]
        assert await workers.note_dead_workers() == []


async def test_no_more_jobs_are_pushed_than_a_tenant_may_run(someone: Someone) -> None:
    async with unit_of_work() as uow:
        ids = [await uow.enqueue(WORK, Work(str(number)), subject=someone) for number in range(10)]
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute'")
    assert [row.id for row in await job_upkeep.jobs_to_push([])] == ids[:4]  # twice the limit of two
    for job_id in ids[:2]:
        assert await claims.claim(job_id, new_id(), 5)
    assert [row.id for row in await job_upkeep.jobs_to_push([])] == ids[2:4]
