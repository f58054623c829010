"""The job table as a queue: claims, leases, endings, and what the clock must repair.

A claim raises `attempt` before any work, so that a job that kills its worker uses up its attempts like any other.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from db import query
from db.jobs import Claim, JobError, JobState
from db.session import WORKER_LOCK_CLASS
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import JobId, new_id


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job as readers see it; `error` is JSON text of `JobError`."""

    id: JobId
    tenant_id: UUID
    user_id: UUID | None
    kind: str
    queue: str
    priority: int
    subject_id: UUID | None
    state: JobState
    attempt: int
    max_attempts: int
    stage: str | None
    items_done: int
    items_total: int
    last_event: int
    error: str | None
    request_id: str
    retry_at: datetime | None
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobEventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered event of a job; `data` is JSON text."""

    seq: int
    type: str
    data: str
    created_at: datetime


class PushRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose id has to go to Redis (again)."""

    id: JobId
    kind: str
    queue: str


class LostRow(msgspec.Struct, frozen=True, kw_only=True):
    """A running job whose worker is gone or silent."""

    id: JobId
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    args: str
    attempt: int
    max_attempts: int
    fencing_token: int


COLUMNS = ", ".join(JobRow.__struct_fields__)

LIMIT_RETRY_SECONDS = 1.0


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    args: str
    attempt: int
    max_attempts: int
    fencing_token: int
    concurrency_per_tenant: int
    expired: bool
    request_id: str
    traceparent: str


async def get(job_id: UUID, tenant_id: UUID) -> JobRow | None:
    """Return a job of the tenant."""
    return await query.fetch_one(
        JobRow, f"SELECT {COLUMNS} FROM jobs WHERE id = $1 AND tenant_id = $2", job_id, tenant_id
    )


async def events_after(job_id: UUID, after: int, limit: int = 500) -> list[JobEventRow]:
    """Return the job's events with a number above `after`, in order."""
    return await query.fetch(
        JobEventRow,
        "SELECT seq, type, data, created_at FROM job_events WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        job_id,
        after,
        limit,
    )


async def claim(job_id: UUID, worker_id: UUID, lease_seconds: float) -> Claim | None:
    """Take the job for one attempt, or return None when there is nothing to do now.

    None means: unknown, running elsewhere, ended, not due yet, over its tenant's limit (it waits a moment), or dead just
    now because it is too old or out of attempts (`reconcile` tells its domain).
    """
    async with unit_of_work() as uow:
        row = await query.fetch_one(
            _Candidate,
            """SELECT kind, tenant_id, user_id, subject_id, args, attempt, max_attempts, fencing_token, concurrency_per_tenant,
                      expires_at <= now() AS expired, request_id, traceparent
               FROM jobs WHERE id = $1 AND state IN ('queued', 'waiting') AND (retry_at IS NULL OR retry_at <= now())
               FOR UPDATE SKIP LOCKED""",
            job_id,
        )
        if row is None or row.expired or row.attempt >= row.max_attempts:
            return None
        if not await _within_limit(job_id, row):
            return None
        await query.execute(
            """UPDATE jobs SET state = 'running', attempt = attempt + 1, fencing_token = fencing_token + 1, worker_id = $2,
                      lease_until = now() + $3 * interval '1 second', started_at = coalesce(started_at, now()), retry_at = NULL
               WHERE id = $1""",
            job_id,
            worker_id,
            float(lease_seconds),
        )
        await query.execute(
            "INSERT INTO job_attempts (id, job_id, attempt, worker_id) VALUES ($1, $2, $3, $4)",
            new_id(),
            job_id,
            row.attempt + 1,
            worker_id,
        )
        await add_event(uow, job_id, "started", {"attempt": row.attempt + 1})
    return Claim(
        job_id=JobId(job_id),
        kind=row.kind,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        subject_id=row.subject_id,
        args=row.args.encode(),
        attempt=row.attempt + 1,
        max_attempts=row.max_attempts,
        fencing_token=row.fencing_token + 1,
        request_id=row.request_id,
        traceparent=row.traceparent,
    )


async def _within_limit(job_id: UUID, row: _Candidate) -> bool:
    """Count the tenant's running jobs of the kind under a lock of that pair; put the job back for a moment when full."""
    await query.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{row.kind}:{row.tenant_id}")
    running = await query.fetch_value(
        "SELECT count(*) FROM jobs WHERE kind = $1 AND tenant_id = $2 AND state = 'running'", row.kind, row.tenant_id
    )
    if running < row.concurrency_per_tenant:
        return True
    await query.execute(
        """UPDATE jobs SET state = 'waiting', retry_at = now() + $2 * interval '1 second', pushed_at = NULL WHERE id = $1""",
        job_id,
        LIMIT_RETRY_SECONDS,
    )
    return False


async def renew(claim_: Claim, lease_seconds: float) -> bool:
    """Prolong the lease; False when the job is no longer this attempt's or was asked to stop."""
    touched = await query.execute(
        """UPDATE jobs SET lease_until = now() + $3 * interval '1 second'
           WHERE id = $1 AND fencing_token = $2 AND state = 'running' AND cancel_requested_at IS NULL""",
        claim_.job_id,
        claim_.fencing_token,
        float(lease_seconds),
    )
    return touched == 1


async def report(claim_: Claim, stage: str, items_done: int = 0, items_total: int = 0) -> None:
    """Record progress and tell the job's readers.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    async with unit_of_work() as uow:
        await uow.fence(claim_)
        await query.execute(
            "UPDATE jobs SET stage = $2, items_done = $3, items_total = $4 WHERE id = $1",
            claim_.job_id,
            stage,
            items_done,
            items_total,
        )
        await add_event(uow, claim_.job_id, "progress", {"stage": stage, "done": items_done, "total": items_total})


async def add_event(uow: UnitOfWork, job_id: UUID, event: str, data: dict[str, Any]) -> None:
    """Append the job's next numbered event; the job's row lock keeps the numbers without gaps."""
    del uow  # proof that a transaction is open
    await query.execute(
        """WITH numbered AS (UPDATE jobs SET last_event = last_event + 1 WHERE id = $2 RETURNING last_event)
           INSERT INTO job_events (id, job_id, seq, type, data) SELECT $1, $2, last_event, $3, $4 FROM numbered""",
        new_id(),
        job_id,
        event,
        query.to_json(data),
    )


async def succeed(uow: UnitOfWork, claim_: Claim) -> None:
    """End the job well, in the transaction of its effects.

    Raises:
        LeaseLost: the job is no longer this attempt's; the whole transaction has to fail.
    """
    await _end_attempt(uow, claim_, "succeeded", None)
    await query.execute(
        "UPDATE jobs SET state = 'succeeded', lease_until = NULL, finished_at = now(), error = NULL WHERE id = $1",
        claim_.job_id,
    )
    await add_event(uow, claim_.job_id, "succeeded", {})


async def fail(uow: UnitOfWork, claim_: Claim, error: JobError, retry_in_seconds: float | None) -> JobState:
    """End the attempt badly; the job waits for its retry, or is dead when `retry_in_seconds` is None or attempts are used up.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    await _end_attempt(uow, claim_, "failed", error)
    if retry_in_seconds is None or claim_.attempt >= claim_.max_attempts:
        await bury(uow, claim_.job_id, error)
        return "dead"
    await query.execute(
        """UPDATE jobs SET state = 'waiting', lease_until = NULL, pushed_at = NULL, error = $2,
                  retry_at = now() + $3 * interval '1 second' WHERE id = $1""",
        claim_.job_id,
        query.to_json(error),
        float(retry_in_seconds),
    )
    await add_event(uow, claim_.job_id, "waiting", {"error": error, "retry_in_seconds": round(retry_in_seconds, 1)})
    return "waiting"


async def hand_back(uow: UnitOfWork, claim_: Claim) -> None:
    """Return the job unfinished, as a worker that is told to stop does; the attempt does not count."""
    await _end_attempt(uow, claim_, "handed_back", None)
    await query.execute(
        """UPDATE jobs SET state = 'queued', lease_until = NULL, pushed_at = NULL, max_attempts = max_attempts + 1 WHERE id = $1""",
        claim_.job_id,
    )
    await add_event(uow, claim_.job_id, "queued", {})


async def cancelled(uow: UnitOfWork, claim_: Claim) -> None:
    """End the job as cancelled, at a border between two steps."""
    await _end_attempt(uow, claim_, "cancelled", None)
    await query.execute(
        "UPDATE jobs SET state = 'cancelled', lease_until = NULL, finished_at = now() WHERE id = $1", claim_.job_id
    )
    await add_event(uow, claim_.job_id, "cancelled", {})


async def bury(uow: UnitOfWork, job_id: UUID, error: JobError) -> None:
    """Mark a job dead."""
    await query.execute(
        "UPDATE jobs SET state = 'dead', lease_until = NULL, finished_at = now(), error = $2 WHERE id = $1",
        job_id,
        query.to_json(error),
    )
    await add_event(uow, job_id, "dead", {"error": error})


async def _end_attempt(uow: UnitOfWork, claim_: Claim, outcome: str, error: JobError | None) -> None:
    await uow.fence(claim_)
    await query.execute(
        "UPDATE job_attempts SET finished_at = now(), outcome = $3, error = $4 WHERE job_id = $1 AND attempt = $2",
        claim_.job_id,
        claim_.attempt,
        outcome,
        query.to_json(error) if error else None,
    )


async def request_cancel(uow: UnitOfWork, job_id: UUID, tenant_id: UUID) -> JobState | None:
    """Cancel a job that waits, or ask the one that runs to stop; return its state then, None when unknown."""
    state: JobState | None = await query.fetch_value(
        "SELECT state FROM jobs WHERE id = $1 AND tenant_id = $2 FOR UPDATE", job_id, tenant_id
    )
    if state in ("queued", "waiting"):
        await query.execute("UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE id = $1", job_id)
        await add_event(uow, job_id, "cancelled", {})
        return "cancelled"
    if state == "running":
        await query.execute(
            "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1", job_id
        )
    return state


# What the clock does


async def jobs_to_push(limit: int = 500) -> list[PushRow]:
    """Return jobs that are due and whose id is not in Redis as far as we know, or was pushed and not taken for a minute."""
    return await query.fetch(
        PushRow,
        """SELECT id, kind, queue FROM jobs
           WHERE state IN ('queued', 'waiting') AND coalesce(retry_at, created_at) <= now()
             AND ((pushed_at IS NULL AND created_at < now() - interval '1 second') OR pushed_at < now() - interval '60 seconds')
           ORDER BY priority, id LIMIT $1""",
        limit,
    )


async def mark_pushed(job_ids: list[JobId]) -> None:
    """Remember that these ids were handed to Redis."""
    await query.execute("UPDATE jobs SET pushed_at = now() WHERE id = ANY($1)", job_ids)


async def forget_pushes() -> int:
    """Treat every waiting job as not pushed: what the clock does when Redis has lost its data."""
    return await query.execute(
        "UPDATE jobs SET pushed_at = NULL WHERE state IN ('queued', 'waiting') AND pushed_at IS NOT NULL"
    )


async def lost_jobs(limit: int = 100) -> list[LostRow]:
    """Return running jobs whose lease has ended or whose worker's lock is free, i.e. whose process is dead."""
    return await query.fetch(
        LostRow,
        """SELECT j.id, j.kind, j.tenant_id, j.user_id, j.subject_id, j.args, j.attempt, j.max_attempts, j.fencing_token
           FROM jobs j LEFT JOIN workers w ON w.id = j.worker_id
           WHERE j.state = 'running' AND (j.lease_until < now() OR NOT EXISTS (
               SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
               WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objid::bigint = w.lock_key))
           ORDER BY j.id LIMIT $2""",
        WORKER_LOCK_CLASS,
        limit,
    )


async def requeue_lost(uow: UnitOfWork, lost: LostRow) -> JobState | None:
    """Give a lost job back, or bury it when its attempts are used up; None when it moved on meanwhile.

    A higher fencing token shuts out the old attempt even if its process was only paused.
    """
    touched = await query.execute(
        """UPDATE jobs SET state = 'waiting', lease_until = NULL, pushed_at = NULL, retry_at = now(),
                  fencing_token = fencing_token + 1
           WHERE id = $1 AND fencing_token = $2 AND state = 'running'""",
        lost.id,
        lost.fencing_token,
    )
    if not touched:
        return None
    error = JobError(type="worker-lost", detail="The worker stopped in the middle of the work.")
    await query.execute(
        "UPDATE job_attempts SET finished_at = now(), outcome = 'lost', error = $3 WHERE job_id = $1 AND attempt = $2",
        lost.id,
        lost.attempt,
        query.to_json(error),
    )
    if lost.attempt >= lost.max_attempts:
        await bury(uow, lost.id, error)
        return "dead"
    await add_event(uow, lost.id, "waiting", {"error": error, "retry_in_seconds": 0})
    return "waiting"


async def expired_jobs(limit: int = 100) -> list[LostRow]:
    """Return jobs that waited beyond their maximum age."""
    return await query.fetch(
        LostRow,
        """SELECT id, kind, tenant_id, user_id, subject_id, args, attempt, max_attempts, fencing_token FROM jobs
           WHERE state IN ('queued', 'waiting') AND expires_at <= now() ORDER BY id LIMIT $1""",
        limit,
    )


async def bury_expired(uow: UnitOfWork, expired: LostRow) -> bool:
    """Mark a job dead that is too old to be of use; False when it moved on meanwhile."""
    held = await query.fetch_value(
        "SELECT id FROM jobs WHERE id = $1 AND state IN ('queued', 'waiting') AND expires_at <= now() FOR UPDATE",
        expired.id,
    )
    if held is None:
        return False
    await bury(uow, expired.id, JobError(type="expired", detail="The job waited longer than its kind allows."))
    return True


# Workers


async def add_worker(worker_id: UUID, host: str, pid: int, queues: list[str]) -> int:
    """Record a worker and return the key of the lock its process has to hold (`worker_lock`)."""
    lock_key = worker_id.int & 0x7FFF_FFFF
    await query.execute(
        "INSERT INTO workers (id, host, pid, queues, lock_key) VALUES ($1, $2, $3, $4, $5)",
        worker_id,
        host,
        pid,
        queues,
        lock_key,
    )
    return lock_key


async def beat(worker_id: UUID) -> None:
    """Record that the worker is alive."""
    await query.execute("UPDATE workers SET heartbeat_at = now() WHERE id = $1", worker_id)


async def stop_worker(worker_id: UUID) -> None:
    """Record that the worker ended by itself."""
    await query.execute("UPDATE workers SET stopped_at = now() WHERE id = $1", worker_id)
