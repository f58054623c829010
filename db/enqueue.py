"""Writes the rows of new jobs."""

from typing import Protocol
from uuid import UUID

import msgspec

from db import query
from db.jobs import Args, JobKind
from ops.runtime.context import request_id
from ops.runtime.ids import JobId, new_id
from ops.runtime.telemetry import inject_traceparent


class Owner(Protocol):
    """Whose job it is."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def user_id(self) -> UUID | None: ...


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job stands among others: whose child it is, after which one it comes, how long it waits first."""

    parent_id: UUID | None = None
    after_id: UUID | None = None
    delay_seconds: float = 0.0

    @property
    def starts_at_once(self) -> bool:
        """Whether nothing has to happen before the job may start."""
        return self.after_id is None and self.delay_seconds <= 0


async def insert_job(
    kind: JobKind[Args], args: Args, owner: Owner, *, subject_id: UUID | None = None, place: Place
) -> tuple[JobId, bool]:
    """Write a job's row; return its id and True, or the id of the live job with the same dedupe key and False.

    Siblings are told apart from all other jobs: a parent waits for children of its own.
    """
    job_id, key = JobId(new_id()), kind.dedupe_key(args)
    if key is not None and place.parent_id is not None:
        key = f"{place.parent_id}/{key}"
    row = await query.fetch_value(
        """INSERT INTO jobs (id, tenant_id, user_id, kind, queue, priority, args, subject_id, dedupe_key, max_attempts,
                             time_limit_seconds, concurrency_per_tenant, expires_at, request_id, traceparent,
                             concurrency_per_key, concurrency_key, parent_id, after_id, waits_for, state, retry_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + ($13::float8 + $14::float8) * interval '1 second',
                   $15, $16, $17, $18, $19, $20, CASE WHEN $20::uuid IS NOT NULL THEN 'predecessor' END,
                   CASE WHEN $21::bool THEN 'queued' ELSE 'waiting' END,
                   CASE WHEN $14 > 0 THEN now() + $14 * interval '1 second' END)
           ON CONFLICT (tenant_id, kind, dedupe_key) WHERE state IN ('queued', 'waiting', 'running') AND dedupe_key IS NOT NULL
           DO UPDATE SET dedupe_key = excluded.dedupe_key RETURNING id""",
        job_id,
        owner.tenant_id,
        owner.user_id,
        kind.name,
        kind.queue,
        kind.priority,
        query.to_json(args),
        subject_id,
        key,
        kind.retry.max_attempts,
        float(kind.time_limit_seconds),
        kind.concurrency_per_tenant,
        float(kind.max_age_seconds),
        float(max(place.delay_seconds, 0)),
        request_id.get(),
        inject_traceparent(),
        kind.concurrency_per_key,
        kind.concurrency_key(args),
        place.parent_id,
        place.after_id,
        place.starts_at_once,
    )
    return JobId(row), row == job_id
