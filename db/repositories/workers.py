"""The worker processes there are."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.session import WORKER_LOCK_CLASS
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import JobId

SILENT_SECONDS = 15.0
"""Three heartbeats; who has missed them may be stopped, or too busy to be counted on."""


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker; `jobs_running` counts those of all tenants."""

    id: UUID
    host: str
    pid: int
    queues: list[str]
    threads: int
    memory_bytes: int
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_age_seconds: float
    stopped_at: datetime | None
    drain_requested_at: datetime | None
    jobs_running: int


class WorkerJobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker runs, and when its present attempt began."""

    worker_id: UUID
    id: JobId
    kind: str
    started_at: datetime


_SELECT = """SELECT w.id, w.host, w.pid, w.queues, w.threads, w.memory_bytes, w.started_at, w.heartbeat_at,
                    extract(epoch FROM now() - w.heartbeat_at)::float8 AS heartbeat_age_seconds, w.stopped_at,
                    w.drain_requested_at,
                    (SELECT count(*) FROM jobs j WHERE j.worker_id = w.id AND j.state = 'running') AS jobs_running
             FROM workers w"""


async def add_worker(worker_id: UUID, host: str, pid: int, queues: list[str], threads: int = 1) -> int:
    """Record a worker and return the key of the lock (`WORKER_LOCK_CLASS`) its process has to hold while it lives."""
    lock_key = worker_id.int & 0x7FFF_FFFF
    await query.execute(
        "INSERT INTO workers (id, host, pid, queues, threads, lock_key) VALUES ($1, $2, $3, $4, $5, $6)",
        worker_id,
        host,
        pid,
        queues,
        threads,
        lock_key,
    )
    return lock_key


async def beat(worker_id: UUID, memory_bytes: int = 0) -> bool:
    """Record that the worker is alive; return True when somebody asked it to take no more jobs and end."""
    asked: bool | None = await query.fetch_value(
        """UPDATE workers SET heartbeat_at = now(), stopped_at = NULL, memory_bytes = $2 WHERE id = $1
           RETURNING drain_requested_at IS NOT NULL""",
        worker_id,
        memory_bytes,
    )
    return bool(asked)


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


async def get(worker_id: UUID, *, lock: bool = False) -> WorkerRow | None:
    """Return a worker; with `lock` its row is held to the end of the transaction."""
    sql = f"{_SELECT} WHERE w.id = $1 {'FOR UPDATE' if lock else ''}"
    return await query.fetch_one(WorkerRow, sql, worker_id)


async def recent(stopped_within_seconds: float, limit: int) -> list[WorkerRow]:
    """Return the workers that run, newest first, and then those that stopped lately."""
    return await query.fetch(
        WorkerRow,
        f"""{_SELECT} WHERE w.stopped_at IS NULL OR w.stopped_at > now() - $1 * interval '1 second'
            ORDER BY w.stopped_at IS NOT NULL, w.id DESC LIMIT $2""",
        float(stopped_within_seconds),
        limit,
    )


async def jobs_of(worker_ids: list[UUID], tenant_id: UUID) -> list[WorkerJobRow]:
    """Return the tenant's jobs that run on these workers, those that began first first."""
    return await query.fetch(
        WorkerJobRow,
        """SELECT j.worker_id, j.id, j.kind, a.started_at FROM jobs j
           JOIN job_attempts a ON a.job_id = j.id AND a.attempt = j.attempt
           WHERE j.worker_id = ANY($1) AND j.tenant_id = $2 AND j.state = 'running' ORDER BY a.started_at, j.id""",
        worker_ids,
        tenant_id,
    )


async def request_drain(uow: UnitOfWork, worker_id: UUID, user_id: UUID | None) -> None:
    """Ask a worker to take no more jobs and end."""
    del uow
    await query.execute(
        "UPDATE workers SET drain_requested_at = now(), drain_requested_by = $2 WHERE id = $1", worker_id, user_id
    )
