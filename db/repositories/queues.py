"""A tenant's queues: what is in them, and whether they are paused."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.jobs import Queue
from db.repositories.claims import queue_lock
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import new_id


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as one tenant sees it; `oldest_at` is when the first of the jobs that could start was made."""

    name: Queue
    queued: int
    waiting: int
    running: int
    oldest_at: datetime | None
    paused_at: datetime | None
    paused_by: UUID | None


async def queues(tenant_id: UUID, names: list[str]) -> list[QueueRow]:
    """Return the named queues in that order."""
    return await query.fetch(
        QueueRow,
        """SELECT n.name, count(j.id) FILTER (WHERE j.state = 'queued') AS queued,
                  count(j.id) FILTER (WHERE j.state = 'waiting') AS waiting,
                  count(j.id) FILTER (WHERE j.state = 'running') AS running,
                  min(j.created_at) FILTER (WHERE j.state <> 'running' AND (j.waits_for IS NULL OR j.waits_for = 'place')
                                                AND coalesce(j.retry_at, now()) <= now()) AS oldest_at,
                  p.paused_at, p.paused_by
           FROM unnest($2::text[]) WITH ORDINALITY AS n (name, place)
           LEFT JOIN jobs j ON j.queue = n.name AND j.tenant_id = $1 AND j.state IN ('queued', 'waiting', 'running')
           LEFT JOIN queue_pauses p ON p.queue = n.name AND p.tenant_id = $1
           GROUP BY n.name, n.place, p.paused_at, p.paused_by ORDER BY n.place""",
        tenant_id,
        names,
    )


async def pause(uow: UnitOfWork, tenant_id: UUID, queue: str, user_id: UUID | None) -> bool:
    """Start no job of the tenant's queue once `uow` has committed; False when it was paused already.

    Claims that are being made are waited for.
    """
    await _alone(uow, tenant_id, queue)
    return bool(
        await query.execute(
            """INSERT INTO queue_pauses (id, tenant_id, queue, paused_by) VALUES ($1, $2, $3, $4)
               ON CONFLICT (tenant_id, queue) DO NOTHING""",
            new_id(),
            tenant_id,
            queue,
            user_id,
        )
    )


async def resume(uow: UnitOfWork, tenant_id: UUID, queue: str) -> bool:
    """Start the queue's jobs again; False when it was not paused."""
    await _alone(uow, tenant_id, queue)
    return bool(await query.execute("DELETE FROM queue_pauses WHERE tenant_id = $1 AND queue = $2", tenant_id, queue))


async def _alone(uow: UnitOfWork, tenant_id: UUID, queue: str) -> None:
    del uow
    await query.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", queue_lock(tenant_id, queue))
