"""An operator at work: jobs in every state, brought there as workers and the clock would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from actors.relay import Relay
from backend.kit.subject import Subject
from db import query
from db.jobs import Claim, JobError, JobKind
from db.repositories import claims, jobs
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests import campus
from tests.api import Api, running
from tests.integration.jobs.test_job_table import WORK, Work
from tests.servers import Database

BROKEN = JobError(type="broken", detail="It broke.")


class ClockWithoutRedis(Relay):
    """The clock's second, without the pushing."""

    def __init__(self) -> None:
        pass

    async def _push(self) -> None:
        return


@dataclass(frozen=True)
class Scene:
    """Operators of two tenants, and somebody of the first who may only look."""

    api: Api
    operator: Subject
    stranger: Subject
    onlooker: Subject

    async def queued(self, *names: str, kind: JobKind[Work] = WORK, owner: Subject | None = None) -> list[JobId]:
        async with unit_of_work() as uow:
            return [await uow.enqueue(kind, Work(name), subject=owner or self.operator) for name in names]

    async def one(self, name: str = "", kind: JobKind[Work] = WORK) -> JobId:
        (job_id,) = await self.queued(name, kind=kind)
        return job_id

    async def dead(self, *names: str, kind: JobKind[Work] = WORK, error: JobError = BROKEN) -> list[JobId]:
        ids = await self.queued(*names, kind=kind)
        for job_id in ids:
            await fail(await claimed(job_id), error, None)
        return ids

    async def state(self, job_id: JobId) -> str:
        state: str = await query.fetch_value("SELECT state FROM jobs WHERE id = $1", job_id)
        return state

    async def acts(self) -> list[str]:
        """What the audit log says of jobs and workers, in order."""
        return await query.fetch_values(
            "SELECT action FROM audit_log WHERE action SIMILAR TO '(job|jobs|worker|document).%' ORDER BY id"
        )


async def claimed(job_id: JobId) -> Claim:
    claim = await claims.claim(job_id, new_id(), 60)
    assert claim is not None
    return claim


async def fail(claim: Claim, error: JobError, retry_in_seconds: float | None) -> None:
    async with unit_of_work() as uow:
        await jobs.fail(uow, claim, error, retry_in_seconds)


@asynccontextmanager
async def operating(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with running(database.url, valkey_url) as api:
        home, away = await campus.tenant("home"), await campus.tenant("away")
        yield Scene(
            api=api,
            operator=await campus.person(home, "oda", "ops"),
            stranger=await campus.person(away, "otto", "ops"),
            onlooker=await campus.person(home, "adam", "admin"),
        )
