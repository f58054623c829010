"""The job table as a queue: leases, progress, endings. Claims stand in `claims`, lists in `job_search`, repairs in `job_upkeep`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from db import query
from db.errors import LeaseLost
from db.jobs import TERMINAL_STATES, Claim, JobError, JobState, Lease, OnChildFailure
from db.unit_of_work import UnitOfWork
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


COLUMNS = ", ".join(JobRow.__struct_fields__)


class _Renewed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    cancel: bool


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


async def renew_all(claims: Sequence[Claim], lease_seconds: float) -> dict[UUID, Lease]:
    """Prolong the leases and say which attempts may go on; one that is missing in the answer has lost its lease."""
    rows = await query.fetch(
        _Renewed,
        """UPDATE jobs SET lease_until = now() + $3 * interval '1 second'
           FROM unnest($1::uuid[], $2::bigint[]) AS held (job_id, token)
           WHERE id = job_id AND fencing_token = token AND state = 'running'
           RETURNING id, cancel_requested_at IS NOT NULL AS cancel""",
        [claim.job_id for claim in claims],
        [claim.fencing_token for claim in claims],
        float(lease_seconds),
    )
    return {row.id: "cancel" if row.cancel else "held" for row in rows}


async def renew(claim_: Claim, lease_seconds: float) -> Lease:
    """Prolong one lease and say whether the attempt may go on."""
    return (await renew_all([claim_], lease_seconds)).get(claim_.job_id, "lost")


async def report(uow: UnitOfWork, claim_: Claim, stage: str, items_done: int = 0, items_total: int = 0) -> Lease:
    """Record progress and tell the job's readers; say whether the attempt may go on.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    await uow.fence(claim_)
    cancel = await query.fetch_value(
        """UPDATE jobs SET stage = $2, items_done = $3, items_total = $4 WHERE id = $1
           RETURNING cancel_requested_at IS NOT NULL""",
        claim_.job_id,
        stage,
        items_done,
        items_total,
    )
    await add_event(uow, claim_.job_id, "progress", {"stage": stage, "done": items_done, "total": items_total})
    return "cancel" if cancel else "held"


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
    del uow  # proof that a transaction is open
    ended = await query.execute(
        """WITH ended AS (
               UPDATE jobs SET state = 'succeeded', lease_until = NULL, finished_at = now(), error = NULL,
                      last_event = last_event + 1
               WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING id, last_event),
           attempted AS (
               UPDATE job_attempts SET finished_at = now(), outcome = 'succeeded' FROM ended
               WHERE job_id = ended.id AND attempt = $3)
           INSERT INTO job_events (id, job_id, seq, type, data) SELECT $4, id, last_event, 'succeeded', '{}' FROM ended""",
        claim_.job_id,
        claim_.fencing_token,
        claim_.attempt,
        new_id(),
    )
    if not ended:
        raise LeaseLost(f"attempt {claim_.attempt} no longer owns job {claim_.job_id}")


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


async def await_children(uow: UnitOfWork, claim_: Claim, children: int, on_failure: OnChildFailure) -> None:
    """End the attempt that made the children; the job starts again, with an attempt more, when all of them have ended.

    Raises:
        LeaseLost: the job is no longer this attempt's.
    """
    await _end_attempt(uow, claim_, "fanned_out", None)
    await query.execute(
        """UPDATE jobs SET state = 'waiting', waits_for = 'children', on_child_failure = $2, lease_until = NULL,
                  pushed_at = NULL, max_attempts = max_attempts + 1 WHERE id = $1""",
        claim_.job_id,
        on_failure,
    )
    await add_event(uow, claim_.job_id, "waiting", {"children": children})


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
        "UPDATE jobs SET state = 'dead', waits_for = NULL, lease_until = NULL, finished_at = now(), error = $2 WHERE id = $1",
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
    """Ask for the end of a job that waits or runs; return the state it had, None when unknown.

    A running job stops at its next step; one that waits is ended by the clock, which tells its domain.
    """
    del uow  # proof that a transaction is open
    state: JobState | None = await query.fetch_value(
        "SELECT state FROM jobs WHERE id = $1 AND tenant_id = $2 FOR UPDATE", job_id, tenant_id
    )
    if state is not None and state not in TERMINAL_STATES:
        await query.execute(
            "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1", job_id
        )
    return state
