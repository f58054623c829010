"""What is known about one job beside its row: attempts, relatives, and the schedule that made it."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.jobs import JobState
from db.repositories.schedules import Cause
from ops.runtime.ids import JobId


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt; `error` is JSON text, host and pid are None when the worker's row is gone."""

    attempt: int
    worker_id: UUID | None
    host: str | None
    pid: int | None
    started_at: datetime
    finished_at: datetime | None
    seconds: float
    outcome: str | None
    error: str | None


class OriginRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job comes from, and what is known of those it belongs to."""

    traceparent: str
    parent_id: JobId | None
    parent_kind: str | None
    parent_state: JobState | None
    after_id: JobId | None
    after_kind: str | None
    after_state: JobState | None


class FiringOfJob(msgspec.Struct, frozen=True, kw_only=True):
    """The due time that a job was made for; `name` is None when its schedule is gone."""

    schedule_id: UUID
    name: str | None
    cause: Cause
    due_at: datetime


class _Counted(msgspec.Struct, frozen=True, kw_only=True):
    state: JobState
    jobs: int


async def attempts(job_id: UUID) -> list[AttemptRow]:
    """Return the job's attempts, first to last."""
    return await query.fetch(
        AttemptRow,
        """SELECT a.attempt, a.worker_id, w.host, w.pid, a.started_at, a.finished_at, a.outcome, a.error,
                  extract(epoch FROM coalesce(a.finished_at, clock_timestamp()) - a.started_at)::float8 AS seconds
           FROM job_attempts a LEFT JOIN workers w ON w.id = a.worker_id WHERE a.job_id = $1 ORDER BY a.attempt""",
        job_id,
    )


async def origin(job_id: UUID) -> OriginRow | None:
    """Return where the job comes from."""
    return await query.fetch_one(
        OriginRow,
        """SELECT j.traceparent, p.id AS parent_id, p.kind AS parent_kind, p.state AS parent_state,
                  b.id AS after_id, b.kind AS after_kind, b.state AS after_state
           FROM jobs j LEFT JOIN jobs p ON p.id = j.parent_id LEFT JOIN jobs b ON b.id = j.after_id WHERE j.id = $1""",
        job_id,
    )


async def children_by_state(job_id: UUID) -> dict[JobState, int]:
    """Return how many children of the job there are in each state that one of them has."""
    counted = await query.fetch(
        _Counted, "SELECT state, count(*) AS jobs FROM jobs WHERE parent_id = $1 GROUP BY state ORDER BY state", job_id
    )
    return {each.state: each.jobs for each in counted}


async def fired_by(job_id: UUID) -> FiringOfJob | None:
    """Return the due time that the job was made for, None for one that no schedule made."""
    return await query.fetch_one(
        FiringOfJob,
        """SELECT f.schedule_id, s.name, f.cause, f.due_at FROM schedule_firings f
           LEFT JOIN schedules s ON s.id = f.schedule_id WHERE f.job_id = $1 ORDER BY f.id LIMIT 1""",
        job_id,
    )
