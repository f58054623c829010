"""What the queues were like: one sample for each slot of 15 s, kept as slots of 5 min from the second day on."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from db import query
from db.jobs import QUEUES
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import first_id_at, new_id

STEP_SECONDS: Final = 15
COARSE_STEP_SECONDS: Final = 300
FINE_HOURS: Final = 24
KEPT_DAYS: Final = 8
OPEN_TRANSACTION_SECONDS: Final = 60
"""How long the counts wait for a transaction that may still commit what it dated at its beginning."""
SKEW: Final = timedelta(minutes=5)
"""By how much the clocks of those who make ids may differ."""
EPOCH: Final = "TIMESTAMPTZ '2000-01-01 00:00:00+00'"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of one tenant, or of all when there is none: how it is, and what came and went since the last sample."""

    tenant_id: UUID | None
    queue: str
    depth: int = 0
    oldest_seconds: float = 0.0
    in_flight: int = 0
    arrived: int = 0
    succeeded: int = 0
    died: int = 0
    cancelled: int = 0


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """The slot to sample and the time to count: up to the start of the oldest transaction, for what it writes has that date."""

    slot_at: datetime
    last_slot_at: datetime | None
    since: datetime
    until: datetime


async def reach() -> Reach:
    """Return what the next sample is of; a day is counted at most, whatever time no clock ran."""
    row = await query.fetch_one(
        Reach,
        f"""WITH last AS (SELECT slot_at, counted_until FROM queue_samples
                          WHERE queue = $1 AND tenant_id IS NULL ORDER BY slot_at DESC LIMIT 1),
                 clock AS (SELECT clock_timestamp() AS now),
                 writing AS (SELECT min(xact_start) AS since FROM pg_stat_activity
                             WHERE datname = current_database() AND pid <> pg_backend_pid()
                               AND backend_type = 'client backend'),
                 bounds AS (SELECT now, (SELECT slot_at FROM last) AS last_slot_at,
                                   greatest(coalesce((SELECT counted_until FROM last), now - $2 * interval '1 second'),
                                            now - interval '1 day') AS since,
                                   greatest(least(now, writing.since), now - $3 * interval '1 second') AS until
                            FROM clock, writing)
            SELECT date_bin($2 * interval '1 second', now, {EPOCH}) AS slot_at, last_slot_at, since,
                   greatest(until, since) AS until FROM bounds""",
        QUEUES[0],
        float(STEP_SECONDS),
        float(OPEN_TRANSACTION_SECONDS),
    )
    assert row is not None
    return row


async def take(part: Reach) -> list[Sample]:
    """Look at the queues: those of tenants that are not idle, and each of the installation. History is not read.

    A statement of its own after `reach`: it sees what every transaction older than `part.until` has committed.
    """
    rows = await query.fetch(
        Sample,
        """SELECT tenant_id, queue, sum(waits)::int AS depth, sum(runs)::int AS in_flight, sum(arrived)::int AS arrived,
                  sum(succeeded)::int AS succeeded, sum(died)::int AS died, sum(cancelled)::int AS cancelled,
                  coalesce(greatest(extract(epoch FROM clock_timestamp() - min(since)), 0), 0)::float8 AS oldest_seconds
           FROM (SELECT tenant_id, queue, (state <> 'running')::int AS waits, (state = 'running')::int AS runs,
                        0 AS arrived, 0 AS succeeded, 0 AS died, 0 AS cancelled,
                        CASE WHEN state <> 'running' AND (waits_for IS NULL OR waits_for = 'place')
                                  AND coalesce(retry_at, now()) <= now() THEN created_at END AS since
                 FROM jobs WHERE state IN ('queued', 'waiting', 'running')
                 UNION ALL
                 SELECT tenant_id, queue, 0, 0, 1, 0, 0, 0, NULL FROM jobs
                 WHERE id >= $1 AND created_at >= $2 AND created_at < $3
                 UNION ALL
                 SELECT tenant_id, queue, 0, 0, 0, (state = 'succeeded')::int, (state = 'dead')::int,
                        (state = 'cancelled')::int, NULL
                 FROM jobs WHERE finished_at >= $2 AND finished_at < $3) AS seen
           GROUP BY GROUPING SETS ((tenant_id, queue), (queue))""",
        first_id_at(part.since - SKEW),
        part.since,
        part.until,
    )
    counted = {row.queue for row in rows}
    return rows + [Sample(tenant_id=None, queue=queue) for queue in QUEUES if queue not in counted]


async def add(uow: UnitOfWork, part: Reach, samples: list[Sample]) -> None:
    """Write the samples of a slot; those of a slot that has some already are left out."""
    del uow
    fields = ("id", "slot_at", "step_seconds", "counted_until", "counted_seconds", *Sample.__struct_fields__)
    places = ", ".join(f"${place}" for place in range(1, len(fields) + 1))
    head = (part.slot_at, STEP_SECONDS, part.until, (part.until - part.since).total_seconds())
    await query.execute_many(
        f"INSERT INTO queue_samples ({', '.join(fields)}) VALUES ({places}) ON CONFLICT DO NOTHING",
        [(new_id(), *head, *msgspec.structs.astuple(sample)) for sample in samples],
    )


async def roll_up(uow: UnitOfWork) -> int:
    """Turn the oldest hour of fine samples, where older than a day, into slots of 5 min; return how many rows were turned.

    A slot keeps the highest depth, age and count of running jobs, and the sum of what came and went.
    """
    del uow
    turned: int = await query.fetch_value(
        f"""WITH due AS (
                SELECT least(date_bin($2::int * interval '1 second', min(slot_at), {EPOCH}) + interval '1 hour',
                             date_bin($2::int * interval '1 second', now() - $3 * interval '1 hour', {EPOCH})) AS until
                FROM queue_samples WHERE step_seconds = $1),
            fine AS (DELETE FROM queue_samples WHERE step_seconds = $1 AND slot_at < (SELECT until FROM due) RETURNING *),
            coarse AS (
                INSERT INTO queue_samples (id, tenant_id, queue, slot_at, step_seconds, counted_until, counted_seconds, depth,
                                           oldest_seconds, in_flight, arrived, succeeded, died, cancelled)
                SELECT gen_random_uuid(), tenant_id, queue, date_bin($2::int * interval '1 second', slot_at, {EPOCH}), $2::int,
                       max(counted_until), sum(counted_seconds), max(depth), max(oldest_seconds), max(in_flight),
                       sum(arrived), sum(succeeded), sum(died), sum(cancelled)
                FROM fine GROUP BY 2, 3, 4)
            SELECT count(*) FROM fine""",
        STEP_SECONDS,
        COARSE_STEP_SECONDS,
        float(FINE_HOURS),
    )
    return turned


async def purge(uow: UnitOfWork, limit: int = 5000) -> int:
    """Delete samples that are older than eight days; return how many."""
    del uow
    return await query.execute(
        """DELETE FROM queue_samples WHERE id IN (
               SELECT id FROM queue_samples WHERE step_seconds = $1 AND slot_at < now() - $2 * interval '1 day' LIMIT $3)""",
        COARSE_STEP_SECONDS,
        float(KEPT_DAYS),
        limit,
    )
