"""What stands between a job and its start, as the claim and the relay would find it now."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.jobs import JobState, WaitsFor
from db.repositories.workers import SILENT_SECONDS
from ops.runtime.ids import JobId


class WaitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job that may be waiting. `error` is JSON text; `is_due` says that its time has come."""

    id: JobId
    tenant_id: UUID
    kind: str
    queue: str
    state: JobState
    priority: int
    attempt: int
    max_attempts: int
    losses: int
    waits_for: WaitsFor | None
    retry_at: datetime | None
    is_due: bool
    error: str | None
    concurrency_per_tenant: int
    concurrency_key: str | None
    concurrency_per_key: int
    cancel_requested_at: datetime | None
    created_at: datetime
    is_pushed: bool
    after_id: JobId | None
    after_state: JobState | None
    paused_at: datetime | None
    paused_by: UUID | None
    open_children: int


class PlacesRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the places of a limit: how many do, and which of them are the tenant's, 20 at most."""

    running: int
    job_ids: list[JobId]


class ServiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves a queue: live workers and their threads, those of them that drain, and the jobs that run on the others."""

    serving: int
    draining: int
    threads: int
    running: int


async def wait_of(job_id: UUID, tenant_id: UUID) -> WaitRow | None:
    """Return the tenant's job with what is known about its waiting."""
    return await query.fetch_one(
        WaitRow,
        """SELECT j.id, j.tenant_id, j.kind, j.queue, j.state, j.priority, j.attempt, j.max_attempts, j.losses, j.waits_for,
                  j.retry_at, coalesce(j.retry_at, now()) <= now() AS is_due, j.error, j.concurrency_per_tenant,
                  j.concurrency_key, j.concurrency_per_key, j.cancel_requested_at, j.created_at,
                  j.pushed_at IS NOT NULL AS is_pushed, j.after_id, b.state AS after_state, p.paused_at, p.paused_by,
                  (SELECT count(*) FROM jobs c WHERE c.parent_id = j.id
                     AND c.state IN ('queued', 'waiting', 'running')) AS open_children
           FROM jobs j LEFT JOIN jobs b ON b.id = j.after_id
           LEFT JOIN queue_pauses p ON p.tenant_id = j.tenant_id AND p.queue = j.queue
           WHERE j.id = $1 AND j.tenant_id = $2""",
        job_id,
        tenant_id,
    )


async def places_of_tenant(kind: str, tenant_id: UUID) -> PlacesRow:
    """Return who holds the tenant's places of that kind."""
    return await _places("kind = $1 AND tenant_id = $2", kind, tenant_id)


async def places_of_key(kind: str, key: str, tenant_id: UUID) -> PlacesRow:
    """Return who holds the key's places of that kind, in all tenants."""
    return await _places("kind = $1 AND concurrency_key = $3", kind, tenant_id, key)


async def _places(which: str, kind: str, tenant_id: UUID, *others: str) -> PlacesRow:
    row = await query.fetch_one(
        PlacesRow,
        f"""SELECT count(*) AS running,
                   coalesce((array_agg(id ORDER BY id) FILTER (WHERE tenant_id = $2))[1:20], '{{}}') AS job_ids
            FROM jobs WHERE state = 'running' AND {which}""",
        kind,
        tenant_id,
        *others,
    )
    assert row is not None
    return row


async def service_of(queue: str) -> ServiceRow:
    """Return who serves the queue now."""
    row = await query.fetch_one(
        ServiceRow,
        """WITH alive AS (SELECT id, threads, drain_requested_at IS NULL AS serves FROM workers WHERE stopped_at IS NULL
                            AND $1 = ANY(queues) AND heartbeat_at > now() - $2 * interval '1 second')
           SELECT count(*) FILTER (WHERE serves) AS serving, count(*) FILTER (WHERE NOT serves) AS draining,
                  coalesce(sum(threads) FILTER (WHERE serves), 0) AS threads,
                  (SELECT count(*) FROM jobs j JOIN alive a ON a.id = j.worker_id AND a.serves
                   WHERE j.state = 'running') AS running
           FROM alive""",
        queue,
        SILENT_SECONDS,
    )
    assert row is not None
    return row


async def ahead_of(job: WaitRow) -> int:
    """Return how many jobs of the queue could start and come before this one, those of all tenants."""
    ahead: int = await query.fetch_value(
        """SELECT count(*) FROM jobs j WHERE j.queue = $1 AND j.state IN ('queued', 'waiting')
             AND (j.waits_for IS NULL OR j.waits_for = 'place') AND coalesce(j.retry_at, now()) <= now()
             AND j.cancel_requested_at IS NULL AND (j.priority, j.id) < ($2, $3)
             AND NOT EXISTS (SELECT FROM queue_pauses p WHERE p.tenant_id = j.tenant_id AND p.queue = j.queue)""",
        job.queue,
        job.priority,
        job.id,
    )
    return ahead
