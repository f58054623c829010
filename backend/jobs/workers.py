"""The worker processes, which serve all tenants, and their drain."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from backend.jobs.errors import WorkerNotFound, WorkerStopped
from backend.jobs.schemas import WorkerJob, WorkerState, WorkerView
from backend.jobs.service import READ_ALL, WRITE_ALL
from backend.kit.subject import Subject
from db.repositories import workers
from db.repositories.workers import SILENT_SECONDS, WorkerRow
from db.unit_of_work import unit_of_work

STOPPED_SHOWN_SECONDS: Final = 900.0
WORKERS_SHOWN: Final = 200


async def list_workers(subject: Subject) -> list[WorkerView]:
    """Return the workers there are, newest first, and those that stopped within a quarter of an hour.

    Raises:
        PermissionMissing: the subject is no operator.
    """
    subject.require(READ_ALL)
    return await _views(subject, await workers.recent(STOPPED_SHOWN_SECONDS, WORKERS_SHOWN))


async def drain_worker(subject: Subject, worker_id: UUID) -> WorkerView:
    """Have a worker, at its next heartbeat, take nothing new, finish or hand back what it does, and end.

    Whoever keeps it running starts another in its place. A worker that drains already goes on doing so.

    Raises:
        PermissionMissing: the subject may only look.
        WorkerNotFound: there is no such worker.
        WorkerStopped: it has ended.
    """
    subject.require(WRITE_ALL)
    async with unit_of_work() as uow:
        row = await workers.get(worker_id, lock=True)
        if row is None:
            raise WorkerNotFound
        if row.stopped_at is not None:
            raise WorkerStopped
        if row.drain_requested_at is None:
            await workers.request_drain(uow, worker_id, subject.user_id)
            await uow.audit(subject, "worker.drain_requested", {"worker_id": str(worker_id), "host": row.host})
    row = await workers.get(worker_id)
    assert row is not None
    (view,) = await _views(subject, [row])
    return view


async def _views(subject: Subject, rows: Sequence[WorkerRow]) -> list[WorkerView]:
    jobs: dict[UUID, list[WorkerJob]] = {row.id: [] for row in rows}
    for job in await workers.jobs_of([row.id for row in rows], subject.tenant_id):
        jobs[job.worker_id].append(WorkerJob(id=job.id, kind=job.kind, started_at=job.started_at))
    return [_view(row, jobs[row.id]) for row in rows]


def _view(row: WorkerRow, jobs: Sequence[WorkerJob]) -> WorkerView:
    fields = msgspec.structs.asdict(row) | {"jobs": jobs, "state": _state(row)}
    fields["heartbeat_age_seconds"] = round(row.heartbeat_age_seconds, 1)
    return WorkerView(**{name: fields[name] for name in WorkerView.__struct_fields__})


def _state(row: WorkerRow) -> WorkerState:
    if row.stopped_at is not None:
        return "stopped"
    if row.drain_requested_at is not None:
        return "draining"
    return "silent" if row.heartbeat_age_seconds > SILENT_SECONDS else "running"
