"""A job counts as pushed only while its message may still be in Redis."""

import asyncio
from uuid import UUID

import pytest

from db import dispatch, query, unit_of_work
from db.dispatch import Dispatch
from db.jobs import JobError
from db.repositories import claims, job_upkeep, jobs, queues
from db.repositories.job_upkeep import PushRow
from ops.runtime.ids import JobId, new_id
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK, Work

ERROR = JobError(type="broken", detail="It broke.")


async def enqueued(someone: Someone) -> JobId:
    async with unit_of_work.unit_of_work() as uow:
        return await uow.enqueue(WORK, Work(""), subject=someone)


async def pushed(job_id: UUID) -> list[PushRow]:
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute' WHERE id = $1", job_id)
    rows = await job_upkeep.jobs_to_push([])
    assert [row.id for row in rows] == [job_id]
    return rows


async def counts_as_pushed(job_id: UUID) -> bool:
    return bool(await query.fetch_value("SELECT pushed_at IS NOT NULL FROM jobs WHERE id = $1", job_id))


async def fail(job_id: UUID) -> None:
    claim = await claims.claim(job_id, new_id(), 5)
    assert claim is not None
    async with unit_of_work.unit_of_work() as uow:
        assert await jobs.fail(uow, claim, ERROR, 0.0) == "waiting"


async def test_a_push_is_noted(someone: Someone) -> None:
    job_id = await enqueued(someone)
    await job_upkeep.mark_pushed(await pushed(job_id))
    assert await counts_as_pushed(job_id)


async def test_what_has_failed_before_its_push_was_noted_does_not_count_as_pushed(someone: Someone) -> None:
    job_id = await enqueued(someone)
    rows = await pushed(job_id)
    await fail(job_id)
    await job_upkeep.mark_pushed(rows)
    assert not await counts_as_pushed(job_id)


async def test_nor_does_what_was_put_back_for_want_of_a_place(someone: Someone) -> None:
    for _ in range(WORK.concurrency_per_tenant):
        assert await claims.claim(await enqueued(someone), new_id(), 5) is not None
    job_id = await enqueued(someone)
    rows = await pushed(job_id)
    assert await claims.claim(job_id, new_id(), 5) is None
    await job_upkeep.mark_pushed(rows)
    assert not await counts_as_pushed(job_id)


async def test_nor_what_a_stopping_worker_or_a_paused_queue_did_not_take(someone: Someone) -> None:
    job_id = await enqueued(someone)
    rows = await pushed(job_id)
    await job_upkeep.forget_push(job_id)
    await job_upkeep.mark_pushed(rows)
    assert not await counts_as_pushed(job_id)

    rows = await pushed(job_id)
    async with unit_of_work.unit_of_work() as uow:
        await queues.pause(uow, someone.tenant_id, WORK.queue, None)
    assert await claims.claim(job_id, new_id(), 5) is None
    await job_upkeep.mark_pushed(rows)
    assert not await counts_as_pushed(job_id)


async def test_nor_what_failed_before_the_push_after_its_commit_was_noted(
    someone: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker may be faster than whoever has pushed."""

    class Sender:
        async def push(self, dispatches: list[Dispatch]) -> bool:
            await fail(dispatches[0].job_id)
            return True

    monkeypatch.setattr(dispatch, "_dispatcher", Sender())
    async with unit_of_work.unit_of_work() as uow:
        taken, left = [await uow.enqueue(WORK, Work(""), subject=someone) for _ in range(2)]
    await asyncio.gather(*unit_of_work._running)
    assert [await counts_as_pushed(taken), await counts_as_pushed(left)] == [False, True]
