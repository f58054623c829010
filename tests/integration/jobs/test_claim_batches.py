"""Several jobs claimed at once: what is plain starts, what is not is left to a claim of its own, and no limit gives way."""

import asyncio
import contextvars
from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from db import query
from db.errors import LeaseLost
from db.jobs import Claim, JobKind
from db.repositories import jobs
from db.repositories.claim_batches import claim_plain
from db.repositories.claims import queue_lock
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK, Work
from tests.integration.jobs.test_limits import KEYED, another_tenant, enqueue
from tests.waiting import until_blocked

WIDE: JobKind[Work] = msgspec.structs.replace(WORK, name="test.wide", concurrency_per_tenant=100, priority=5)
NARROW: JobKind[Work] = msgspec.structs.replace(WORK, name="test.narrow_batch", concurrency_per_tenant=2)
URGENT: JobKind[Work] = msgspec.structs.replace(WIDE, name="test.urgent_batch", priority=1)

KEY_X = "test.keyed:key:x"
"""The lock of a key's places."""


async def take(job_ids: Sequence[UUID], worker: UUID | None = None) -> list[Claim]:
    kinds = [WIDE.name, NARROW.name, URGENT.name, KEYED.name]
    return await claim_plain(job_ids, worker or new_id(), 60, kinds)


async def test_all_start_in_one_claim_each_with_its_attempt_and_its_event(someone: Someone) -> None:
    ids = await enqueue(WIDE, someone, "a", "b", "c")
    worker = new_id()
    claims = await take(ids, worker)
    assert [claim.job_id for claim in claims] == ids
    assert {(claim.attempt, claim.fencing_token) for claim in claims} == {(1, 1)}
    assert [msgspec.json.decode(claim.args) for claim in claims] == [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    assert await query.fetch_values("SELECT DISTINCT state || worker_id FROM jobs") == [f"running{worker}"]
    assert await query.fetch_value("SELECT min(lease_until) > now() + interval '50 seconds' FROM jobs") is True
    assert await query.fetch_values("SELECT job_id FROM job_attempts WHERE attempt = 1 ORDER BY job_id") == ids
    assert await query.fetch_values("SELECT job_id FROM job_events WHERE type = 'started' ORDER BY job_id") == ids
    for claim in claims:
        async with unit_of_work() as uow:
            await jobs.succeed(uow, claim)


async def test_places_of_a_tenant_are_not_exceeded(someone: Someone) -> None:
    other = await another_tenant("two")
    ids = await enqueue(NARROW, someone, *"abcd")
    foreign = await enqueue(NARROW, other, *"ab")
    assert [claim.job_id for claim in await take([*ids, *foreign])] == [*ids[:2], *foreign]
    assert await take(ids[2:]) == []


async def test_places_of_a_key_are_not_exceeded(someone: Someone) -> None:
    ids = await enqueue(KEYED, someone, "x/1", "x/2", "y/1", "x/3")
    assert [claim.job_id for claim in await take(ids)] == [ids[0], ids[2]]


async def test_batches_at_the_same_time_keep_the_limit_and_start_each_job_once(someone: Someone) -> None:
    ids = await enqueue(NARROW, someone, *map(str, range(8)))
    wide = await enqueue(WIDE, someone, *map(str, range(12)))
    batches = [ids[:4], ids[4:], ids[2:6], wide[:8], wide[4:], wide]
    taken = [claim.job_id for claims in await asyncio.gather(*map(take, batches)) for claim in claims]
    assert len(taken) == len(set(taken))
    assert len(set(taken) & set(ids)) <= 2
    assert await query.fetch_value("SELECT count(*) FROM jobs WHERE state = 'running'") == len(taken)


@pytest.mark.parametrize(
    "condition",
    [
        "retry_at = now() + interval '1 minute'",
        "expires_at = now() - interval '1 second'",
        "cancel_requested_at = now()",
        "losses = 1",
        "attempt = max_attempts",
        "state = 'waiting', waits_for = 'children'",
        "state = 'dead', finished_at = now()",
    ],
)
async def test_what_is_not_plain_is_left_out(someone: Someone, condition: str) -> None:
    odd, plain = await enqueue(WIDE, someone, "odd", "plain")
    await query.execute(f"UPDATE jobs SET {condition} WHERE id = $1", odd)
    assert [claim.job_id for claim in await take([odd, plain])] == [plain]


async def test_a_paused_queue_gives_nothing(someone: Someone) -> None:
    ids = await enqueue(WIDE, someone, "a", "b")
    await query.execute(
        "INSERT INTO queue_pauses (id, tenant_id, queue) VALUES ($1, $2, 'default')", new_id(), someone.tenant_id
    )
    assert await take(ids) == []


async def test_none_is_taken_while_a_more_urgent_one_waits(someone: Someone) -> None:
    ids = await enqueue(WIDE, someone, "a", "b")
    (urgent,) = await enqueue(URGENT, someone, "urgent")
    await query.execute("UPDATE jobs SET pushed_at = now()")
    assert await take(ids) == []
    assert [claim.job_id for claim in await take([*ids, urgent])] == [*ids, urgent]


async def test_one_that_another_holds_is_left_out(someone: Someone) -> None:
    held, free = await enqueue(WIDE, someone, "held", "free")
    async with unit_of_work():
        await query.execute("SELECT id FROM jobs WHERE id = $1 FOR UPDATE", held)
        taken = await asyncio.create_task(take([held, free]), context=contextvars.Context())
    assert [claim.job_id for claim in taken] == [free]


async def while_another(statement: str, *arguments: object, lock: str, ids: Sequence[UUID]) -> list[Claim]:
    """Claim while a transaction holds `lock` and has run `statement`; it commits once the claim waits for it, or is made."""
    async with unit_of_work():
        await query.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", lock)
        await query.execute(statement, *arguments)
        taking = asyncio.create_task(take(ids), context=contextvars.Context())
        await until_blocked(taking)
    return await taking


@pytest.mark.parametrize(
    ("kind", "lock"), [(NARROW, "test.narrow_batch:{tenant}"), (KEYED, KEY_X)], ids=["tenant", "key"]
)
async def test_places_that_are_being_taken_are_counted(someone: Someone, kind: JobKind[Work], lock: str) -> None:
    ids = await enqueue(kind, someone, "x/1", "x/2", "x/3", "x/4")
    started = "UPDATE jobs SET state = 'running', lease_until = now() + interval '1 minute' WHERE id = ANY($1)"
    named = lock.format(tenant=someone.tenant_id)
    assert await while_another(started, ids[:2], lock=named, ids=ids[2:]) == []


async def test_one_that_is_being_started_is_not_started_again(someone: Someone) -> None:
    ids = await enqueue(WIDE, someone, "a")
    started = "UPDATE jobs SET state = 'running', lease_until = now() + interval '1 minute' WHERE id = $1"
    assert await while_another(started, ids[0], lock=f"test.wide:{someone.tenant_id}", ids=ids) == []


async def test_a_queue_that_is_being_paused_gives_nothing(someone: Someone) -> None:
    ids = await enqueue(WIDE, someone, "a", "b")
    pause = "INSERT INTO queue_pauses (id, tenant_id, queue) VALUES ($1, $2, 'default')"
    lock = queue_lock(someone.tenant_id, "default")
    assert await while_another(pause, new_id(), someone.tenant_id, lock=lock, ids=ids) == []


async def test_the_tokens_of_a_batch_fence(someone: Someone) -> None:
    (job_id,) = await enqueue(WIDE, someone, "a")
    (stale,) = await take([job_id])
    await query.execute("UPDATE jobs SET state = 'queued', lease_until = NULL WHERE id = $1", job_id)
    (fresh,) = await take([job_id])
    assert fresh.fencing_token == stale.fencing_token + 1
    with pytest.raises(LeaseLost):
        async with unit_of_work() as uow:
            await jobs.succeed(uow, stale)
    assert JobId(job_id) == fresh.job_id
