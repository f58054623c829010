"""What operators do to one job, inside a transaction that also holds the act's audit row."""

from typing import Any, NoReturn
from uuid import UUID

from backend.jobs.errors import JobNotCancellable, JobNotFound, JobObsolete, JobReplaced, JobStateForbids
from backend.jobs.retries import take_back_end
from backend.kit.subject import Subject
from db.errors import UniqueViolation
from db.jobs import TERMINAL_STATES, JobKind, WaitsFor, is_cancellable, kind_named
from db.repositories import job_acts, jobs
from db.repositories.job_acts import HeldJob
from db.unit_of_work import UnitOfWork

RETRY_NEEDS = "it can be retried when it is dead or waits for its time."
DISCARD_NEEDS = "it can be discarded when it waits or is dead."
PRIORITY_NEEDS = "its priority matters only before it starts."


async def retry(uow: UnitOfWork, subject: Subject, job_id: UUID) -> None:
    """Queue a job that is dead, or waits for its time, with all attempts of its schedule before it.

    Raises:
        JobNotFound: the tenant has no such job.
        JobStateForbids: it is neither dead nor waiting for its time.
        JobReplaced: a job that lives does the same work.
        JobObsolete: its domain or its relatives have no use for it.
    """
    job = await _held(uow, subject, job_id)
    kind = kind_named(job.kind)
    if kind is None:
        raise JobObsolete("This version of the program has no such job.")
    if job.state == "dead":
        if job.parent_id is not None and await job_acts.state_of(job.parent_id) in ("dead", "cancelled"):
            raise JobObsolete("The job that it is a part of has ended; retry that one.")
        await _start_ended(uow, subject, job, kind)
    elif job.state == "waiting" and job.waits_for is None and not job.cancel_requested:
        await _start(uow, job, kind)
    else:
        _refuse(job, RETRY_NEEDS)
    await uow.audit(subject, "job.retried", _about(job))


async def discard(uow: UnitOfWork, subject: Subject, job_id: UUID) -> None:
    """Have a job that waits end as cancelled, which the clock does and tells its domain; put a dead one away.

    The domain of a dead one heard of its end when it died.

    Raises:
        JobNotFound: the tenant has no such job.
        JobStateForbids: it runs, or has ended otherwise.
        JobNotCancellable: it waits, and is upkeep which nobody may call off.
    """
    job = await _held(uow, subject, job_id)
    if job.state == "dead":
        await job_acts.put_away(uow, job)
    elif job.state in ("queued", "waiting") and not job.cancel_requested:
        if not is_cancellable(job.kind):
            raise JobNotCancellable
        await jobs.request_cancel(uow, job.id, subject.tenant_id)
    else:
        _refuse(job, DISCARD_NEEDS)
    await uow.audit(subject, "job.discarded", _about(job))


async def prioritise(uow: UnitOfWork, subject: Subject, job_id: UUID, priority: int) -> None:
    """Move a job that has not started within its queue; the lowest number goes first.

    Raises:
        JobNotFound: the tenant has no such job.
        JobStateForbids: it runs or has ended.
    """
    job = await _held(uow, subject, job_id)
    if job.state not in ("queued", "waiting"):
        _refuse(job, PRIORITY_NEEDS)
    await job_acts.set_priority(uow, job, priority)
    await uow.audit(subject, "job.prioritised", _about(job) | {"priority": priority, "priority_before": job.priority})


async def _held(uow: UnitOfWork, subject: Subject, job_id: UUID) -> HeldJob:
    job = await job_acts.hold(uow, job_id, subject.tenant_id)
    if job is None:
        raise JobNotFound
    return job


async def _start_ended(uow: UnitOfWork, subject: Subject, job: HeldJob, kind: JobKind[Any]) -> None:
    """Start what has ended, and before it those of its children without which it cannot go on."""
    waits_for = await _predecessor(job)
    failed = await _failed_children(uow, job)
    for child in failed:
        child_kind = kind_named(child.kind)
        if child_kind is None:
            raise JobObsolete("This version of the program has not all jobs that it consists of.")
        await _start_ended(uow, subject, child, child_kind)
        await uow.audit(subject, "job.retried", _about(child))
    await _start(uow, job, kind, "children" if failed else waits_for)
    await take_back_end(uow, subject, kind, job.ended())


async def _start(uow: UnitOfWork, job: HeldJob, kind: JobKind[Any], waits_for: WaitsFor | None = None) -> None:
    try:
        await job_acts.start_again(
            uow, job, attempts=kind.retry.max_attempts, max_age_seconds=kind.max_age_seconds, waits_for=waits_for
        )
    except UniqueViolation as error:
        raise JobReplaced from error


async def _predecessor(job: HeldJob) -> WaitsFor | None:
    """Return whether the job has to wait for the one before it."""
    state = None if job.after_id is None else await job_acts.state_of(job.after_id)
    if state in ("dead", "cancelled"):
        raise JobObsolete("The job before it has ended without success; retry that one first.")
    return "predecessor" if state in ("queued", "waiting", "running") else None


async def _failed_children(uow: UnitOfWork, job: HeldJob) -> list[HeldJob]:
    """Return the children that a job which may not outlive their failure needs once more."""
    children = await job_acts.hold_children(uow, job.id) if job.on_child_failure == "fail" else []
    if any(child.state not in TERMINAL_STATES for child in children):
        raise JobObsolete("Jobs that it consists of still end; try again in a moment.")
    return [child for child in children if child.state != "succeeded"]


def _refuse(job: HeldJob, needed: str) -> NoReturn:
    raise JobStateForbids("being cancelled" if job.cancel_requested else job.state, needed)


def _about(job: HeldJob) -> dict[str, Any]:
    return {"job_id": str(job.id), "kind": job.kind, "state_before": job.state}
