"""What operators see of single jobs and do about them."""

from uuid import UUID

from backend.jobs.schemas import BulkAct, BulkOutcome, DeadGroup, JobTimeline, JobView, JobWaiting
from backend.kit.subject import Subject


async def timeline(subject: Subject, job_id: UUID) -> JobTimeline:
    """Return how a job came about and each of its attempts."""
    raise NotImplementedError


async def why_waiting(subject: Subject, job_id: UUID) -> JobWaiting:
    """Return what keeps a job from starting."""
    raise NotImplementedError


async def retry_job(subject: Subject, job_id: UUID) -> JobView:
    """Let a dead job, or one that waits for its next attempt, start now."""
    raise NotImplementedError


async def discard_job(subject: Subject, job_id: UUID) -> JobView:
    """End a job that waits, or take a dead one from the list of the dead."""
    raise NotImplementedError


async def set_priority(subject: Subject, job_id: UUID, priority: int) -> JobView:
    """Move a job that has not started within its queue."""
    raise NotImplementedError


async def act_on_many(subject: Subject, act: BulkAct) -> BulkOutcome:
    """Do, or preview, the same to many jobs."""
    raise NotImplementedError


async def dead_groups(subject: Subject) -> list[DeadGroup]:
    """Return the tenant's dead jobs by kind and type of error."""
    raise NotImplementedError
