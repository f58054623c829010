"""The order of events and their way to Redis.

Ids alone give no order, for a transaction that began first may commit last. So the leading clock numbers the events whose
transactions are over: whatever commits later gets a later number, and what it finds at once goes by the moment of its
writing on the database's clock, for those of the processes differ.
Who changes the same row as another waits for that one's commit, and emits afterwards: so events about a thing keep its order.
"""

from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork, unit_of_work

NUMBERING_LOCK = "outbox:numbering"


class SentRow(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis is told of an event."""

    id: UUID
    tenant_id: UUID
    kind: str
    position: int


async def number(limit: int = 1000) -> int:
    """Give the next numbers, without gaps, to events that have none; return how many there were."""
    async with unit_of_work():
        # By a statement of its own: the next one has to see what another clock committed under the lock.
        await query.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", NUMBERING_LOCK)
        return await query.execute(
            """WITH last AS (SELECT coalesce(max(position), 0) AS position FROM outbox),
                    found AS (SELECT id, created_at FROM outbox WHERE position IS NULL ORDER BY created_at, id LIMIT $1),
                    placed AS (SELECT id, row_number() OVER (ORDER BY created_at, id) AS place FROM found)
               UPDATE outbox SET position = last.position + placed.place FROM last, placed WHERE outbox.id = placed.id""",
            limit,
        )


async def unsent(limit: int = 1000) -> list[SentRow]:
    """Return events that Redis has not been told of, in order."""
    return await query.fetch(
        SentRow,
        """SELECT id, tenant_id, kind, position FROM outbox WHERE sent_at IS NULL AND position IS NOT NULL
           ORDER BY position LIMIT $1""",
        limit,
    )


async def mark_sent(positions: list[int]) -> None:
    """Remember that Redis has been told."""
    await query.execute("UPDATE outbox SET sent_at = now() WHERE position = ANY($1)", positions)


async def purge(uow: UnitOfWork, days: float, consumers: list[str], limit: int) -> int:
    """Delete events sent more than `days` ago that each of the named consumers has behind it; return how many.

    The newest stays, for the next number is one more than its own.
    """
    del uow  # proof that a transaction is open
    deleted = await query.fetch_values(
        """DELETE FROM outbox WHERE id IN (
               SELECT id FROM outbox o WHERE sent_at < now() - $1 * interval '1 day'
                 AND position < (SELECT max(position) FROM outbox)
                 AND position <= (SELECT coalesce(min(coalesce(c.position, 0)), 0)
                                  FROM unnest($2::text[]) AS n (name) LEFT JOIN event_consumers c ON c.name = n.name)
                 AND NOT EXISTS (SELECT FROM event_failures f WHERE f.event_id = o.id)
               ORDER BY position LIMIT $3) RETURNING id""",
        float(days),
        consumers,
        limit,
    )
    await query.execute("DELETE FROM event_receipts WHERE event_id = ANY($1)", deleted)
    return len(deleted)
