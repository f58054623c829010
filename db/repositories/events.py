"""How far consumers have come, what they have handled, and what they could not."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.events import StoredEvent
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import new_id

FailureState = Literal["waiting", "dead"]


class ConsumerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer as one tenant sees it: how many of its events are still to come, wait for another attempt, or are dead."""

    name: str
    behind: int
    oldest_at: datetime | None
    retrying: int
    dead: int
    updated_at: datetime


class DeadRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a consumer gave up; `error` is the name of the last attempt's error."""

    id: UUID
    consumer: str
    event_id: UUID
    kind: str
    subject_id: UUID | None
    attempts: int
    error: str
    created_at: datetime
    failed_at: datetime


EVENT = ", ".join(f"o.{name}" for name in StoredEvent.__struct_fields__)
DEAD = """SELECT f.id, f.consumer, f.event_id, o.kind, o.subject_id, f.attempts, f.error, o.created_at, f.failed_at
          FROM event_failures f JOIN outbox o ON o.id = f.event_id"""


async def add_consumer(name: str) -> None:
    """Make the consumer known; a new one begins with the oldest event there is."""
    await query.execute(
        "INSERT INTO event_consumers (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", new_id(), name
    )


async def to_handle(consumer: str, limit: int) -> list[StoredEvent]:
    """Return the events after the consumer's position, in order."""
    return await query.fetch(
        StoredEvent,
        f"""SELECT {EVENT} FROM outbox o
            WHERE o.position > (SELECT c.position FROM event_consumers c WHERE c.name = $1) ORDER BY o.position LIMIT $2""",
        consumer,
        limit,
    )


async def to_retry(consumer: str, limit: int) -> list[StoredEvent]:
    """Return the events whose next attempt is due."""
    return await query.fetch(
        StoredEvent,
        f"""SELECT {EVENT} FROM event_failures f JOIN outbox o ON o.id = f.event_id
            WHERE f.consumer = $1 AND f.state = 'waiting' AND f.retry_at <= now() ORDER BY f.retry_at LIMIT $2""",
        consumer,
        limit,
    )


async def advance(consumer: str, position: int) -> None:
    """Note that everything up to `position` is handled or in `event_failures`; another's further position stays."""
    await query.execute(
        "UPDATE event_consumers SET position = $2, updated_at = now() WHERE name = $1 AND position < $2",
        consumer,
        position,
    )


async def receive(uow: UnitOfWork, consumer: str, event_id: UUID) -> bool:
    """Take the event, so that its effect is committed with the receipt; False when that was done before.

    Whoever comes second waits for the first one's end.
    """
    del uow  # proof that a transaction is open
    taken = await query.execute(
        """INSERT INTO event_receipts (id, consumer, event_id) VALUES ($1, $2, $3)
           ON CONFLICT (event_id, consumer) DO NOTHING""",
        new_id(),
        consumer,
        event_id,
    )
    await query.execute("DELETE FROM event_failures WHERE event_id = $1 AND consumer = $2", event_id, consumer)
    return bool(taken)


async def note_failure(event: StoredEvent, consumer: str, error: str, delays: list[float]) -> FailureState | None:
    """Write down a failed attempt, to be repeated after the next of `delays`, or dead when there are no more.

    None when the event has been handled meanwhile.
    """
    async with unit_of_work():
        state: FailureState | None = await query.fetch_value(
            """INSERT INTO event_failures AS f (id, tenant_id, consumer, event_id, state, attempts, error, retry_at)
               SELECT $1, $2, $3, $4, CASE WHEN cardinality($6::float8[]) > 0 THEN 'waiting' ELSE 'dead' END, 1, $5,
                      now() + ($6::float8[])[1] * interval '1 second'
               WHERE NOT EXISTS (SELECT FROM event_receipts WHERE event_id = $4 AND consumer = $3)
               ON CONFLICT (event_id, consumer) DO UPDATE
               SET attempts = f.attempts + 1, error = excluded.error, failed_at = now(),
                   state = CASE WHEN f.attempts < cardinality($6::float8[]) THEN 'waiting' ELSE 'dead' END,
                   retry_at = now() + ($6::float8[])[f.attempts + 1] * interval '1 second'
               RETURNING f.state""",
            new_id(),
            event.tenant_id,
            consumer,
            event.id,
            error,
            delays,
        )
    return state


async def consumers(tenant_id: UUID) -> list[ConsumerRow]:
    """Return every consumer, with what it has still to do for the tenant."""
    return await query.fetch(
        ConsumerRow,
        """SELECT c.name, b.behind, b.oldest_at, f.retrying, f.dead, c.updated_at FROM event_consumers c
           CROSS JOIN LATERAL (
               SELECT count(*) AS behind, min(created_at) AS oldest_at FROM outbox o
               WHERE o.tenant_id = $1 AND (o.position IS NULL OR o.position > c.position)) b
           CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE state = 'waiting') AS retrying, count(*) FILTER (WHERE state = 'dead') AS dead
               FROM event_failures f WHERE f.tenant_id = $1 AND f.consumer = c.name) f
           ORDER BY c.name""",
        tenant_id,
    )


async def dead(tenant_id: UUID, consumer: str | None, before_id: UUID | None, limit: int) -> list[DeadRow]:
    """Return the tenant's events that were given up, newest first."""
    return await query.fetch(
        DeadRow,
        f"""{DEAD} WHERE f.tenant_id = $1 AND f.state = 'dead' AND ($2::text IS NULL OR f.consumer = $2)
              AND ($3::uuid IS NULL OR f.id < $3) ORDER BY f.id DESC LIMIT $4""",
        tenant_id,
        consumer,
        before_id,
        limit,
    )


async def replay(uow: UnitOfWork, tenant_id: UUID, failure_id: UUID) -> DeadRow | None:
    """Let an event that was given up be tried again at once; None when the tenant has no such one."""
    row = await query.fetch_one(
        DeadRow,
        f"{DEAD} WHERE f.id = $1 AND f.tenant_id = $2 AND f.state = 'dead' FOR UPDATE OF f",
        failure_id,
        tenant_id,
    )
    if row is not None:
        await _revive(uow, [row.id])
    return row


async def replay_all(uow: UnitOfWork, tenant_id: UUID, consumer: str | None) -> int:
    """Let the oldest 1,000 of the tenant's events that were given up, or one consumer's, be tried again; return how many."""
    ids = await query.fetch_values(
        """SELECT id FROM event_failures WHERE tenant_id = $1 AND state = 'dead' AND ($2::text IS NULL OR consumer = $2)
           ORDER BY id LIMIT 1000 FOR UPDATE""",
        tenant_id,
        consumer,
    )
    await _revive(uow, ids)
    return len(ids)


async def _revive(uow: UnitOfWork, ids: list[UUID]) -> None:
    del uow
    await query.execute(
        "UPDATE event_failures SET state = 'waiting', attempts = 0, retry_at = now() WHERE id = ANY($1)", ids
    )


async def purge_dead(uow: UnitOfWork, days: float, limit: int) -> int:
    """Forget events that were given up more than `days` ago; return how many."""
    del uow
    return await query.execute(
        """DELETE FROM event_failures WHERE id IN (
               SELECT id FROM event_failures WHERE state = 'dead' AND failed_at < now() - $1 * interval '1 day'
               ORDER BY id LIMIT $2)""",
        float(days),
        limit,
    )
