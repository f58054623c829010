"""A paused queue starts nothing; what runs in it goes on."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from backend.jobs import queues as service
from backend.jobs.errors import QueueNotFound
from backend.kit.subject import Subject
from db import query
from db.repositories import claims, job_upkeep, jobs, queues
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests import campus
from tests.api import Api, running
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK, Work
from tests.integration.jobs.test_limits import another_tenant, claimed, enqueue, succeed
from tests.servers import Database

MOMENT_SECONDS = 0.2


async def pause(someone: Someone, queue: str = "default") -> bool:
    async with unit_of_work() as uow:
        return await queues.pause(uow, someone.tenant_id, queue, None)


async def to_push() -> list[JobId]:
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute'")
    return [row.id for row in await job_upkeep.jobs_to_push(["default"])]


async def test_nothing_of_a_paused_queue_is_started_and_nothing_is_lost(someone: Someone) -> None:
    other = await another_tenant("two")
    first, second = await enqueue(WORK, someone, "a", "b")
    (foreign,) = await enqueue(WORK, other, "c")
    running_claim = await claimed(first)
    await query.execute("UPDATE jobs SET pushed_at = now() WHERE id = $1", second)
    assert await pause(someone)
    assert not await pause(someone)

    assert await claims.claim(second, new_id(), 5) is None
    assert await to_push() == [foreign]
    assert await jobs.renew(running_claim, 5) == "held"
    await succeed(running_claim)
    row = await jobs.get(second, someone.tenant_id)
    assert row is not None
    assert (row.state, row.attempt) == ("queued", 0)

    async with unit_of_work() as uow:
        assert await queues.resume(uow, someone.tenant_id, "default")
    assert await to_push() == [second, foreign]
    await claimed(second)


async def test_a_pause_waits_for_the_claims_that_are_being_made(someone: Someone) -> None:
    """Once it has answered no job starts, not even one whose claim had begun before."""
    (job_id,) = await enqueue(WORK, someone, "a")
    begun = asyncio.Event()

    async def half_a_claim() -> str:
        async with unit_of_work():
            await query.execute(
                "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))",
                claims.queue_lock(someone.tenant_id, "default"),
            )
            begun.set()
            await asyncio.sleep(MOMENT_SECONDS)
            await query.execute("UPDATE jobs SET state = 'running' WHERE id = $1", job_id)
        return "claimed"

    async def paused() -> str:
        await begun.wait()
        await pause(someone)
        return str(await query.fetch_value("SELECT state FROM jobs WHERE id = $1", job_id))

    assert list(await asyncio.gather(half_a_claim(), paused())) == ["claimed", "running"]


async def test_claims_and_pauses_in_disorder_agree(someone: Someone) -> None:
    """However they interleave, a claim either came before the pause or finds nothing."""
    kind = msgspec.structs.replace(WORK, name="test.many", concurrency_per_tenant=100)
    ids = await enqueue(kind, someone, *(str(number) for number in range(30)))
    started_after_pause: list[bool] = []

    async def one(job_id: JobId) -> None:
        was_paused = paused.is_set()
        claim = await claims.claim(job_id, new_id(), 5)
        started_after_pause.append(was_paused and claim is not None)

    paused = asyncio.Event()
    claiming = [asyncio.create_task(one(job_id)) for job_id in ids[:15]]
    await pause(someone)
    paused.set()
    await asyncio.gather(*claiming, *(one(job_id) for job_id in ids[15:]))
    assert not any(started_after_pause)
    assert await query.fetch_value("SELECT count(*) FROM jobs WHERE id = ANY($1) AND state = 'running'", ids[15:]) == 0


@pytest.fixture
async def api(database: Database, valkey_url: str) -> AsyncIterator[Api]:
    async with running(database.url, valkey_url) as opened:
        yield opened


async def operator_of(tenant: str) -> Subject:
    home = await campus.tenant(tenant)
    person = await campus.person(home, f"oda-{tenant}", "ops")
    opened = await campus.sign_in(person.user_id)
    return msgspec.structs.replace(person, session_id=opened.session_id)


async def test_operators_pause_their_own_tenant_s_queues(api: Api) -> None:
    operator, other = await operator_of("home"), await operator_of("away")
    async with unit_of_work() as uow:
        await uow.enqueue(WORK, Work("a"), subject=operator)
    client = await api.signed_in(operator)
    answer = await client.post("/api/v1/ops/queues/default/pause")
    assert (answer.status_code, answer.json()["queued"]) == (200, 1)
    assert answer.json()["paused_by"] == str(operator.user_id)
    assert (await client.post("/api/v1/ops/queues/default/pause")).status_code == 200
    listed = (await client.get("/api/v1/ops/queues")).json()["items"]
    assert {row["name"] for row in listed if row["paused_at"]} == {"default"}
    assert not any(row.paused_at for row in await service.list_queues(other))

    assert (await client.post("/api/v1/ops/queues/default/resume")).json()["paused_at"] is None
    assert (await client.post("/api/v1/ops/queues/fast/pause")).status_code == 404
    with pytest.raises(QueueNotFound):
        await service.resume(operator, "fast")
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'queue.%' ORDER BY id")
    assert acts == ["queue.paused", "queue.resumed"]
