"""What operators do to single jobs: start again, put away, move within the queue."""

from uuid import UUID

import msgspec

from db import query
from db.jobs import EndedJob, JobError, JobState, OnChildFailure, WaitsFor
from db.repositories.jobs import add_event
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import JobId


class HeldJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose row is held to the end of the transaction; `args` and `error` are JSON texts."""

    id: JobId
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    args: str
    state: JobState
    priority: int
    waits_for: WaitsFor | None
    parent_id: UUID | None
    after_id: UUID | None
    on_child_failure: OnChildFailure | None
    cancel_requested: bool
    error: str | None

    def ended(self) -> EndedJob:
        """Describe the end it had."""
        return EndedJob(
            job_id=self.id,
            kind=self.kind,
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            subject_id=self.subject_id,
            args=self.args.encode(),
            error=msgspec.json.decode(self.error, type=JobError) if self.error else None,
        )


_HELD = """id, kind, tenant_id, user_id, subject_id, args, state, priority, waits_for, parent_id, after_id, on_child_failure,
           cancel_requested_at IS NOT NULL AS cancel_requested, error"""


async def hold(uow: UnitOfWork, job_id: UUID, tenant_id: UUID) -> HeldJob | None:
    """Hold the tenant's job: neither worker nor clock changes it before the transaction ends."""
    del uow
    return await query.fetch_one(
        HeldJob, f"SELECT {_HELD} FROM jobs WHERE id = $1 AND tenant_id = $2 FOR UPDATE", job_id, tenant_id
    )


async def hold_children(uow: UnitOfWork, parent_id: UUID) -> list[HeldJob]:
    """Hold a job's children, in the order in which they were made."""
    del uow
    return await query.fetch(
        HeldJob, f"SELECT {_HELD} FROM jobs WHERE parent_id = $1 ORDER BY id FOR UPDATE", parent_id
    )


async def state_of(job_id: UUID) -> JobState | None:
    """Return the state of a job, None when it has been purged."""
    state: JobState | None = await query.fetch_value("SELECT state FROM jobs WHERE id = $1", job_id)
    return state


async def start_again(
    uow: UnitOfWork, job: HeldJob, *, attempts: int, max_age_seconds: float, waits_for: WaitsFor | None = None
) -> None:
    """Queue a job that is dead, cancelled or waits for its time, with `attempts` more; the clock pushes it.

    What it lost of its workers is kept in mind: what may have killed them runs apart from others like it.

    Raises:
        UniqueViolation: a live job has its dedupe key.
    """
    await query.execute(
        """UPDATE jobs SET state = $5, waits_for = $4, max_attempts = attempt + $2, retry_at = NULL, pushed_at = NULL,
                  finished_at = NULL, cancel_requested_at = NULL, expires_at = now() + $3 * interval '1 second' WHERE id = $1""",
        job.id,
        attempts,
        float(max_age_seconds),
        waits_for,
        "queued" if waits_for is None else "waiting",
    )
    await add_event(uow, job.id, "queued" if waits_for is None else "waiting", {"retried": True})


async def put_away(uow: UnitOfWork, job: HeldJob) -> None:
    """Take a dead job from the list of the dead; its error stays."""
    await query.execute("UPDATE jobs SET state = 'cancelled' WHERE id = $1", job.id)
    await add_event(uow, job.id, "cancelled", {"discarded": True})


async def set_priority(uow: UnitOfWork, job: HeldJob, priority: int) -> None:
    """Move the job within its queue."""
    del uow
    await query.execute("UPDATE jobs SET priority = $2 WHERE id = $1", job.id, priority)
