"""The worker processes there are."""

from uuid import UUID

from db import query
from db.session import WORKER_LOCK_CLASS


async def add_worker(worker_id: UUID, host: str, pid: int, queues: list[str]) -> int:
    """Record a worker and return the key of the lock (`WORKER_LOCK_CLASS`) its process has to hold while it lives."""
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
    await query.execute("UPDATE workers SET heartbeat_at = now(), stopped_at = NULL WHERE id = $1", worker_id)


async def stop_worker(worker_id: UUID) -> None:
    """Record that the worker ended by itself."""
    await query.execute("UPDATE workers SET stopped_at = now() WHERE id = $1", worker_id)


async def note_dead_workers() -> list[str]:
    """Record as stopped the workers whose process is gone, as their lock tells, and return the queues they served."""
    served: list[list[str]] = await query.fetch_values(
        """UPDATE workers w SET stopped_at = now()
           WHERE stopped_at IS NULL AND started_at < now() - interval '2 seconds' AND NOT EXISTS (
               SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
               WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objid::bigint = w.lock_key)
           RETURNING queues""",
        WORKER_LOCK_CLASS,
    )
    return sorted({queue for queues in served for queue in queues})
