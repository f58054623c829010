"""What a tenant sees of the samples of its queues."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.repositories.queue_samples import EPOCH, STEP_SECONDS
from db.repositories.workers import SILENT_SECONDS


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """What came to a queue and left it during the `seconds` that were counted; 0 when nobody counted."""

    queue: str
    seconds: float
    arrived: int
    succeeded: int
    died: int
    cancelled: int


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """A queue in one step of time; `seconds` is null in a gap, while no clock ran."""

    at: datetime
    seconds: float | None
    depth: int
    oldest_seconds: float
    in_flight: int
    arrived: int
    succeeded: int
    died: int
    cancelled: int


async def flow(tenant_id: UUID, minutes: float) -> list[FlowRow]:
    """Return what passed through the tenant's queues in the last minutes."""
    return await query.fetch(
        FlowRow,
        """SELECT queue, coalesce(sum(counted_seconds) FILTER (WHERE tenant_id IS NULL), 0)::float8 AS seconds,
                  coalesce(sum(arrived) FILTER (WHERE tenant_id = $1), 0)::int AS arrived,
                  coalesce(sum(succeeded) FILTER (WHERE tenant_id = $1), 0)::int AS succeeded,
                  coalesce(sum(died) FILTER (WHERE tenant_id = $1), 0)::int AS died,
                  coalesce(sum(cancelled) FILTER (WHERE tenant_id = $1), 0)::int AS cancelled
           FROM queue_samples
           WHERE step_seconds = $2 AND slot_at > now() - $3 * interval '1 minute' AND (tenant_id = $1 OR tenant_id IS NULL)
           GROUP BY queue""",
        tenant_id,
        STEP_SECONDS,
        float(minutes),
    )


async def points(tenant_id: UUID, queue: str, hours: float, step_seconds: int) -> list[PointRow]:
    """Return the tenant's queue step by step, up to the last step that has a sample by now; `at` is where a step begins.

    A step holds the highest depth, age and count of running jobs in it, and what came and went.
    """
    return await query.fetch(
        PointRow,
        f"""WITH step AS (SELECT $4 * interval '1 second' AS width),
                 span AS (SELECT date_bin(width, now() - $3 * interval '1 hour', {EPOCH}) + width AS first,
                                 date_bin(width, now() - $5 * interval '1 second', {EPOCH}) AS last FROM step),
                 seen AS (
                     SELECT date_bin(width, slot_at, {EPOCH}) AS at,
                            sum(counted_seconds) FILTER (WHERE tenant_id IS NULL) AS seconds,
                            max(depth) FILTER (WHERE tenant_id = $1) AS depth,
                            max(oldest_seconds) FILTER (WHERE tenant_id = $1) AS oldest_seconds,
                            max(in_flight) FILTER (WHERE tenant_id = $1) AS in_flight,
                            sum(arrived) FILTER (WHERE tenant_id = $1) AS arrived,
                            sum(succeeded) FILTER (WHERE tenant_id = $1) AS succeeded,
                            sum(died) FILTER (WHERE tenant_id = $1) AS died,
                            sum(cancelled) FILTER (WHERE tenant_id = $1) AS cancelled
                     FROM queue_samples, step, span
                     WHERE queue = $2 AND (tenant_id = $1 OR tenant_id IS NULL) AND slot_at >= span.first GROUP BY 1)
            SELECT grid.at, seen.seconds::float8 AS seconds, coalesce(depth, 0)::int AS depth,
                   coalesce(oldest_seconds, 0)::float8 AS oldest_seconds, coalesce(in_flight, 0)::int AS in_flight,
                   coalesce(arrived, 0)::int AS arrived, coalesce(succeeded, 0)::int AS succeeded,
                   coalesce(died, 0)::int AS died, coalesce(cancelled, 0)::int AS cancelled
            FROM step, span, generate_series(span.first, span.last, step.width) AS grid (at)
            LEFT JOIN seen ON seen.at = grid.at ORDER BY grid.at""",
        tenant_id,
        queue,
        float(hours),
        float(step_seconds),
        float(STEP_SECONDS),
    )


async def workers_by_queue() -> dict[str, int]:
    """Return how many workers that give a sign of life, and do not drain, serve each queue."""
    rows = await query.fetch_values(
        """SELECT ARRAY[queue, count(*)::text] FROM workers, unnest(queues) AS queue
           WHERE stopped_at IS NULL AND drain_requested_at IS NULL AND heartbeat_at > now() - $1 * interval '1 second'
           GROUP BY queue""",
        SILENT_SECONDS,
    )
    return {queue: int(count) for queue, count in rows}
