"""A job that is dead is an event, whoever finds it dead; one that was called off is none."""

from typing import Any, cast

import msgspec
import pytest

from actors.actor import REGISTRY, Actor
from actors.relay import Relay
from actors.runner import Runner
from actors.tools import Tools
from backend.jobs.attempt import Job
from backend.jobs.errors import JobStopped, PermanentFailure
from db import query
from db.jobs import JobKind
from db.repositories import claims
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.integration.events.conftest import Bus
from tests.integration.jobs.test_job_table import WORK, Work

KIND: JobKind[Work] = msgspec.structs.replace(WORK, name="test.mortal")


async def dies(job: Job[Work, Any]) -> None:
    if job.args.name == "stopped":
        raise JobStopped
    raise PermanentFailure("broken", "It broke.")


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, KIND.name, Actor(kind=KIND, run=cast(Any, dies)))


async def accept(bus: Bus, name: str) -> JobId:
    async with unit_of_work() as uow:
        return await uow.enqueue(KIND, Work(name), subject=bus.someone)


async def told() -> list[tuple[str, str]]:
    rows = await query.fetch_values(
        "SELECT payload::jsonb->>'job_id' || ' ' || (payload::jsonb->>'error') FROM outbox WHERE kind = 'job.dead'"
    )
    return [(row.split()[0], row.split()[1]) for row in rows]


async def test_a_job_that_fails_for_good(bus: Bus) -> None:
    dead, stopped = await accept(bus, "broken"), await accept(bus, "stopped")
    runner = Runner(new_id(), cast(Tools, None))
    for job_id in (dead, stopped):
        await runner.run(job_id)
    assert await query.fetch_values("SELECT state FROM jobs ORDER BY id") == ["dead", "cancelled"]
    assert await told() == [(str(dead), "broken")]


async def test_jobs_that_the_clock_finds_dead(bus: Bus) -> None:
    lost, late, cancelled = [await accept(bus, name) for name in ("lost", "late", "stopped")]
    await query.execute("UPDATE jobs SET max_attempts = 1, losses = $2 WHERE id = $1", lost, claims.LOSSES_IN_COMPANY)
    assert await claims.claim(lost, new_id(), 0.01) is not None
    await query.execute("UPDATE jobs SET expires_at = now() WHERE id = $1", late)
    await query.execute("UPDATE jobs SET cancel_requested_at = now() WHERE id = $1", cancelled)
    for _ in range(2):
        await Relay(bus.redis).tick()
    assert await query.fetch_values("SELECT state FROM jobs ORDER BY id") == ["dead", "dead", "cancelled"]
    assert sorted(await told()) == sorted([(str(lost), "worker-lost"), (str(late), "expired")])


async def test_also_one_whose_kind_this_version_does_not_know(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await accept(bus, "late")
    monkeypatch.delitem(REGISTRY, KIND.name)
    await query.execute("UPDATE jobs SET expires_at = now()")
    await Relay(bus.redis).tick()
    assert await told() == [(str(job_id), "expired")]
