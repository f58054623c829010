"""Why a job waits, as an operator is told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from backend.jobs import operations, queues
from backend.jobs.schemas import JobWaiting, WaitingReason
from db import query
from db.enqueue import Place
from db.jobs import JobError, JobKind
from db.repositories import claims, job_upkeep, jobs, workers
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.integration.jobs.operating import Scene, claimed, fail, operating
from tests.integration.jobs.test_job_table import WORK, Work
from tests.integration.jobs.test_limits import succeed
from tests.servers import Database

KEYED: JobKind[Work] = msgspec.structs.replace(
    WORK, name="test.waits.keyed", concurrency_per_tenant=10, concurrency_key=lambda _: "k"
)


@pytest.fixture
async def scene(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with operating(database, valkey_url) as opened:
        await workers.add_worker(new_id(), "here", 1, ["default"], 8)
        yield opened


async def why(scene: Scene, job_id: JobId) -> JobWaiting:
    return await operations.why_waiting(scene.operator, job_id)


async def codes(scene: Scene, job_id: JobId) -> list[str]:
    return [reason.code for reason in (await why(scene, job_id)).reasons]


async def only(scene: Scene, job_id: JobId) -> WaitingReason:
    (reason,) = (await why(scene, job_id)).reasons
    return reason


async def pushed(*ids: JobId) -> None:
    await query.execute("UPDATE jobs SET pushed_at = now() WHERE id = ANY($1)", list(ids))


async def test_what_does_not_wait_has_no_reasons(scene: Scene) -> None:
    queued, running = await scene.queued("a", "b")
    await pushed(queued, running)
    claim = await claimed(running)
    assert await why(scene, queued) == JobWaiting(state="queued", reasons=[])
    assert await why(scene, running) == JobWaiting(state="running", reasons=[])
    await succeed(claim)
    assert await why(scene, running) == JobWaiting(state="succeeded", reasons=[])


async def test_a_paused_queue_and_a_wish_to_cancel(scene: Scene) -> None:
    job_id = await scene.one()
    await queues.pause(scene.operator, "default")
    reason = await only(scene, job_id)
    assert (reason.code, reason.queue, reason.user_id) == ("queue-paused", "default", scene.operator.user_id)
    assert reason.since is not None
    await operations.discard_job(scene.operator, job_id)
    assert await codes(scene, job_id) == ["cancel-requested", "queue-paused"]


async def test_a_full_tenant_names_who_holds_its_places(scene: Scene) -> None:
    first, second, third = await scene.queued("a", "b", "c")
    for job_id in (first, second):
        await claimed(job_id)
    assert (await only(scene, third)).job_ids == [first, second]  # before it was looked at by a worker
    assert await claims.claim(third, new_id(), 60) is None
    reason = await only(scene, third)
    assert (reason.code, reason.limit, reason.count, reason.job_ids) == ("tenant-limit", 2, 2, [first, second])


async def test_a_full_key_counts_other_tenants_and_does_not_name_them(scene: Scene) -> None:
    (foreign,) = await scene.queued("f", kind=KEYED, owner=scene.stranger)
    job_id = await scene.one("a", KEYED)
    await claimed(foreign)
    reason = await only(scene, job_id)
    assert (reason.code, reason.key, reason.limit, reason.count) == ("key-limit", "k", 1, 1)
    assert reason.job_ids == []


async def test_a_retry_has_its_time_and_says_what_was_away(scene: Scene) -> None:
    job_id = await scene.one()
    await fail(await claimed(job_id), JobError(type="gateway-unavailable", detail=""), 600.0)
    retry, dependency = (await why(scene, job_id)).reasons
    assert (retry.code, retry.count, retry.limit, retry.error_type) == ("retry-at", 1, 3, "gateway-unavailable")
    assert retry.until is not None
    assert 500 < (retry.until - datetime.now(UTC)).total_seconds() < 700
    assert (dependency.code, dependency.dependency) == ("dependency", "the inference gateway")

    other = await scene.one()
    await fail(await claimed(other), JobError(type="value-error", detail=""), 600.0)
    assert await codes(scene, other) == ["retry-at"]


async def test_relatives_and_delays(scene: Scene) -> None:
    parent = await scene.one("p")
    claim = await claimed(parent)
    async with unit_of_work() as uow:
        for name in "ab":
            await uow.enqueue(WORK, Work(name), subject=scene.operator, place=Place(parent_id=parent))
        await jobs.await_children(uow, claim, 2, "fail")
        after = await uow.enqueue(WORK, Work("s"), subject=scene.operator, place=Place(after_id=parent))
        later = await uow.enqueue(WORK, Work("l"), subject=scene.operator, place=Place(delay_seconds=60))
    reason = await only(scene, parent)
    assert (reason.code, reason.count) == ("children", 2)
    reason = await only(scene, after)
    assert (reason.code, reason.job_ids) == ("predecessor", [parent])
    assert "waiting" in reason.detail
    assert (await only(scene, later)).code == "starts-at"


async def test_nobody_serves_the_queue(scene: Scene) -> None:
    job_id = await scene.one()
    await pushed(job_id)
    (worker,) = await query.fetch_values("SELECT id FROM workers")
    assert await codes(scene, job_id) == []
    async with unit_of_work() as uow:
        await workers.request_drain(uow, worker, None)
    reason = await only(scene, job_id)
    assert (reason.code, reason.queue, reason.count) == ("no-worker", "default", 1)
    for change in ("stopped_at = now()", "heartbeat_at = now() - interval '1 minute'", "queues = '{ingest}'"):
        await query.execute("UPDATE workers SET drain_requested_at = NULL, stopped_at = NULL, heartbeat_at = now()")
        await query.execute(f"UPDATE workers SET {change}")
        assert (await only(scene, job_id)).code == "no-worker"


async def test_its_turn_has_not_come(scene: Scene) -> None:
    await query.execute("UPDATE workers SET threads = 1")
    (worker,) = await query.fetch_values("SELECT id FROM workers")
    running, first, second = await scene.queued("a", "b", "c")
    await pushed(first, second)
    assert await claims.claim(running, worker, 60) is not None
    busy, behind = (await why(scene, second)).reasons
    assert (busy.code, busy.limit, busy.count) == ("workers-busy", 1, 1)
    assert (behind.code, behind.count) == ("behind", 1)
    await operations.set_priority(scene.operator, first, 9)
    assert await codes(scene, second) == ["workers-busy"]
    assert await codes(scene, first) == ["workers-busy", "behind"]


async def test_redis_was_not_told(scene: Scene) -> None:
    assert (await only(scene, await scene.one())).code == "not-pushed"


async def test_what_may_have_killed_its_workers_is_kept_apart(scene: Scene) -> None:
    first, second = await scene.queued("a", "b")
    for _ in range(2):
        for job_id in (first, second):
            assert await claims.claim(job_id, new_id(), 60)
        for lost in await job_upkeep.lost_jobs():
            async with unit_of_work() as uow:
                await job_upkeep.give_back(uow, lost)
        await query.execute("UPDATE jobs SET retry_at = now() WHERE losses > 0")
    worker = new_id()
    assert await claims.claim(first, worker, 60)
    assert await claims.claim(second, worker, 60) is None
    reason = await only(scene, second)
    assert (reason.code, reason.count) == ("kept-apart", 2)
