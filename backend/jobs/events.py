"""The events about jobs."""

from typing import Final
from uuid import UUID

import msgspec

from db.events import EventKind
from db.jobs import EndedJob
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import JobId


class JobDied(msgspec.Struct, frozen=True, kw_only=True):
    """A job that will not be tried again; `error` is the type of its last attempt's."""

    job_id: JobId
    kind: str
    error: str
    subject_id: UUID | None


JOB_DEAD: Final = EventKind(name="job.dead", version=1, payload=JobDied)


async def tell_end(uow: UnitOfWork, job: EndedJob) -> None:
    """Tell of a job that is dead, in the transaction that ends it; one that was cancelled is no event."""
    if job.error is not None:
        died = JobDied(job_id=job.job_id, kind=job.kind, error=job.error.type, subject_id=job.subject_id)
        await uow.emit(JOB_DEAD, died, subject=job, subject_id=job.job_id)
