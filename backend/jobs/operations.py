"""What operators see of single jobs and do about them."""

from typing import cast
from uuid import UUID

import msgspec

from backend.jobs import acts
from backend.jobs.bulk import act_on_many
from backend.jobs.errors import JobNotFound
from backend.jobs.schemas import (
    AttemptWorker,
    DeadGroup,
    FiredBy,
    JobAttemptView,
    JobTimeline,
    JobView,
    Outcome,
    RelatedJob,
)
from backend.jobs.service import READ_ALL, WRITE_ALL, get_job, view_of
from backend.jobs.waiting import why_waiting
from backend.kit.subject import Subject
from db.jobs import JobError, JobState
from db.repositories import job_search, job_timeline, jobs
from db.repositories.job_timeline import AttemptRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId

__all__ = [
    "act_on_many",
    "dead_groups",
    "discard_job",
    "retry_job",
    "set_priority",
    "timeline",
    "why_waiting",
]

TRACEPARENT_PARTS = 4
DEAD_SAMPLES = 10
DEAD_GROUPS = 200


async def timeline(subject: Subject, job_id: UUID) -> JobTimeline:
    """Return how a job came about and each of its attempts.

    Raises:
        PermissionMissing: the subject is no operator.
        JobNotFound: the tenant has no such job.
    """
    subject.require(READ_ALL)
    row = await jobs.get(job_id, subject.tenant_id)
    origin = await job_timeline.origin(job_id)
    if row is None or origin is None:
        raise JobNotFound
    firing = await job_timeline.fired_by(job_id)
    return JobTimeline(
        job=view_of(row),
        request_id=row.request_id,
        trace_id=_trace_id(origin.traceparent),
        attempts=[_attempt(each) for each in await job_timeline.attempts(job_id)],
        parent=_related(origin.parent_id, origin.parent_kind, origin.parent_state),
        predecessor=_related(origin.after_id, origin.after_kind, origin.after_state),
        children=await job_timeline.children_by_state(job_id),
        fired_by=None if firing is None else FiredBy(**msgspec.structs.asdict(firing)),
    )


async def retry_job(subject: Subject, job_id: UUID) -> JobView:
    """Let a dead job, or one that waits for its time, start now, with all attempts of its schedule before it.

    Raises:
        PermissionMissing: the subject may only look.
        JobNotFound, JobStateForbids, JobReplaced, JobObsolete: see `acts.retry`.
    """
    subject.require(WRITE_ALL)
    async with unit_of_work() as uow:
        await acts.retry(uow, subject, job_id)
    return await get_job(subject, job_id)


async def discard_job(subject: Subject, job_id: UUID) -> JobView:
    """End a job that waits, which takes the clock a second or two, or take a dead one from the list of the dead.

    Raises:
        PermissionMissing: the subject may only look.
        JobNotFound, JobStateForbids, JobNotCancellable: see `acts.discard`.
    """
    subject.require(WRITE_ALL)
    async with unit_of_work() as uow:
        await acts.discard(uow, subject, job_id)
    return await get_job(subject, job_id)


async def set_priority(subject: Subject, job_id: UUID, priority: int) -> JobView:
    """Move a job that has not started within its queue; the lowest number goes first.

    Raises:
        PermissionMissing: the subject may only look.
        JobNotFound, JobStateForbids: see `acts.prioritise`.
    """
    subject.require(WRITE_ALL)
    async with unit_of_work() as uow:
        await acts.prioritise(uow, subject, job_id, priority)
    return await get_job(subject, job_id)


async def dead_groups(subject: Subject) -> list[DeadGroup]:
    """Return the tenant's dead jobs by kind and type of error, the most frequent first.

    Raises:
        PermissionMissing: the subject is no operator.
    """
    subject.require(READ_ALL)
    rows = await job_search.dead_groups(subject.tenant_id, DEAD_SAMPLES, DEAD_GROUPS)
    return [DeadGroup(**msgspec.structs.asdict(row)) for row in rows]


def _trace_id(traceparent: str) -> str | None:
    """Return the trace of a W3C `traceparent`: version, trace, span and flags with hyphens between."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == TRACEPARENT_PARTS else None


def _attempt(row: AttemptRow) -> JobAttemptView:
    worker = None
    if row.worker_id is not None and row.host is not None and row.pid is not None:
        worker = AttemptWorker(id=row.worker_id, host=row.host, pid=row.pid)
    return JobAttemptView(
        number=row.attempt,
        worker=worker,
        started_at=row.started_at,
        finished_at=row.finished_at,
        duration_seconds=round(row.seconds, 3),
        outcome=cast(Outcome | None, row.outcome),
        error=msgspec.json.decode(row.error, type=JobError) if row.error else None,
    )


def _related(job_id: JobId | None, kind: str | None, state: JobState | None) -> RelatedJob | None:
    if job_id is None or kind is None or state is None:
        return None
    return RelatedJob(id=job_id, kind=kind, state=state)
