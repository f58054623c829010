"""Jobs that have ended are kept for a while and then purged, sooner where a tenant's schedule says so."""

from typing import Any, Final

from backend.jobs.attempt import Job
from backend.jobs.jobs import PurgeArgs
from db.repositories import job_history, schedules
from db.unit_of_work import unit_of_work

KEPT_DAYS: Final = 30
BATCH: Final = 500


async def purge_tenant(job: Job[PurgeArgs, Any]) -> None:
    """Delete the tenant's jobs that ended more than `older_than_days` days ago."""
    attempt, done, count = job.attempt, 0, BATCH
    while count == BATCH:
        await attempt.report("purging", done)
        async with unit_of_work() as uow:
            await attempt.fence(uow)
            count = await job_history.purge(uow, job.args.older_than_days, BATCH, attempt.claim.tenant_id)
        done += count


async def purge_jobs() -> int:
    """Delete some of the jobs that ended long ago; return how many."""
    async with unit_of_work() as uow:
        return await job_history.purge(uow, KEPT_DAYS, BATCH)


async def purge_firings() -> int:
    """Delete some of what schedules did long ago; return how much."""
    async with unit_of_work() as uow:
        return await schedules.purge_firings(uow, KEPT_DAYS, BATCH)
