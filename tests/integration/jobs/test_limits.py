"""Limits at the claim: a job over its limit waits, loses nothing, and starts when a place is free."""

import asyncio

import msgspec
import pytest

from actors import succession
from db import query
from db.dispatch import Dispatch
from db.enqueue import Place
from db.jobs import Claim, JobKind
from db.repositories import claims, job_families, job_upkeep, jobs
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK, Work

KEYED: JobKind[Work] = msgspec.structs.replace(
    WORK,
    name="test.keyed",
    concurrency_per_tenant=10,
    concurrency_key=lambda args: args.name.partition("/")[0],
    concurrency_per_key=1,
)


class Sent:
    """Stands where Redis is, and notes what was pushed."""

    def __init__(self, *, works: bool = True) -> None:
        self.pushed: list[Dispatch] = []
        self._works = works

    async def push(self, dispatches: list[Dispatch]) -> bool:
        self.pushed += dispatches
        return self._works


async def another_tenant(slug: str) -> Someone:
    tenant = Someone(new_id())
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)", tenant.tenant_id, slug)
    return tenant


async def enqueue(kind: JobKind[Work], owner: Someone, *names: str) -> list[JobId]:
    async with unit_of_work() as uow:
        return [await uow.enqueue(kind, Work(name), subject=owner) for name in names]


async def claimed(job_id: JobId) -> Claim:
    claim = await claims.claim(job_id, new_id(), 5)
    assert claim is not None
    return claim


async def succeed(claim: Claim) -> None:
    async with unit_of_work() as uow:
        await jobs.succeed(uow, claim)


async def test_one_key_has_one_place_in_all_tenants(someone: Someone) -> None:
    other = await another_tenant("two")
    (first,) = await enqueue(KEYED, someone, "k/1")
    (second,) = await enqueue(KEYED, other, "k/2")
    (free,) = await enqueue(KEYED, other, "m/1")
    running = await claimed(first)
    assert await claims.claim(second, new_id(), 5) is None
    await claimed(free)

    await succeed(running)
    assert [row.id for row in await job_families.next_in_place(running)] == [second]
    await claimed(second)  # at once: its time to look again has not come


async def test_places_are_counted_right_when_many_ask_at_once(someone: Someone) -> None:
    ids = await enqueue(KEYED, someone, *(f"k/{number}" for number in range(8)))
    taken = await asyncio.gather(*(claims.claim(job_id, new_id(), 5) for job_id in ids))
    assert sum(claim is not None for claim in taken) == 1
    states = await query.fetch_values("SELECT state || coalesce(':' || waits_for, '') FROM jobs ORDER BY 1")
    assert states == ["running"] + ["waiting:place"] * 7


async def test_the_end_of_a_job_brings_the_next_forward(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = Sent()
    monkeypatch.setattr(succession, "dispatcher", lambda: redis)
    first, second, third = await enqueue(KEYED, someone, "k/1", "k/2", "k/3")
    running = await claimed(first)
    assert await claims.claim(second, new_id(), 5) is None
    await succeed(running)
    await succession.bring_forward([running])
    assert [dispatch.job_id for dispatch in redis.pushed] == [second]
    assert await query.fetch_value("SELECT pushed_at FROM jobs WHERE id = $1", third) is None


async def test_the_end_of_a_suspect_brings_the_next_suspect_forward(
    someone: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whatever kind and tenant: what they wait for is to be alone."""
    redis = Sent()
    monkeypatch.setattr(succession, "dispatcher", lambda: redis)
    worker = new_id()
    (first,) = await enqueue(WORK, someone, "a")
    (second,) = await enqueue(KEYED, await another_tenant("two"), "k/1")
    await query.execute("UPDATE jobs SET losses = $1", claims.LOSSES_IN_COMPANY)
    running = await claims.claim(first, worker, 5)
    assert running is not None
    assert await claims.claim(second, worker, 5) is None

    await succeed(running)
    await succession.bring_forward([running])
    assert [dispatch.job_id for dispatch in redis.pushed] == [second]
    assert await claims.claim(second, worker, 5) is not None


async def test_what_redis_did_not_take_is_left_to_the_clock(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "dispatcher", lambda: Sent(works=False))
    first, second = await enqueue(KEYED, someone, "k/1", "k/2")
    running = await claimed(first)
    await succeed(running)
    await succession.bring_forward([running])
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute'")
    assert [row.id for row in await job_upkeep.jobs_to_push([])] == [second]


async def test_tenants_take_turns(someone: Someone) -> None:
    other = await another_tenant("two")
    many = await enqueue(WORK, someone, *(str(number) for number in range(50)))
    few = await enqueue(WORK, other, "a", "b")
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute'")
    pushed = await job_upkeep.jobs_to_push([])
    assert [row.id for row in pushed] == [many[0], few[0], many[1], few[1], many[2], many[3]]
    await job_upkeep.mark_pushed(pushed)
    assert await job_upkeep.jobs_to_push([]) == []  # what waits in Redis has its tenant's places


async def test_of_a_thousand_jobs_only_a_few_go_to_redis_at_once(someone: Someone) -> None:
    async with unit_of_work() as uow:
        for number in range(1000):
            await uow.enqueue(WORK, Work(str(number)), subject=someone)
        assert len(uow._dispatches) == 2 * WORK.concurrency_per_tenant


async def test_a_delayed_job_starts_when_its_time_has_come(someone: Someone) -> None:
    async with unit_of_work() as uow:
        job_id = await uow.enqueue(WORK, Work("later"), subject=someone, place=Place(delay_seconds=60))
        assert uow._dispatches == []
    await query.execute("UPDATE jobs SET created_at = now() - interval '5 seconds'")
    assert await claims.claim(job_id, new_id(), 5) is None
    assert await job_upkeep.jobs_to_push([]) == []
    await query.execute("UPDATE jobs SET retry_at = now()")
    assert [row.id for row in await job_upkeep.jobs_to_push([])] == [job_id]
    await claimed(job_id)


async def test_what_may_have_killed_its_workers_runs_without_others_like_it(someone: Someone) -> None:
    """Two jobs were in two workers that died: the third takes them one after the other, and a new job at any time."""
    first, second, fresh = await enqueue(KEYED, someone, "k/1", "l/1", "m/1")
    for _ in range(2):
        worker = new_id()
        for job_id in (first, second):
            assert await claims.claim(job_id, worker, 5)
        for lost in await job_upkeep.lost_jobs():
            async with unit_of_work() as uow:
                assert await job_upkeep.give_back(uow, lost) is None
        await query.execute("UPDATE jobs SET retry_at = now() WHERE losses > 0")
    worker = new_id()
    last = await claims.claim(first, worker, 5)
    assert last is not None
    assert await claims.claim(second, worker, 5) is None
    assert await claims.claim(fresh, worker, 5) is not None
    await succeed(last)
    assert await claims.claim(second, worker, 5) is not None
