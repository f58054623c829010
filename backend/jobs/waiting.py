"""Why a job waits: what the claim, the relay and the clock would find against its start now."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec

from backend.jobs.errors import JobNotFound
from backend.jobs.schemas import JobWaiting, WaitingReason
from backend.jobs.service import READ_ALL
from backend.kit.subject import Subject
from db.jobs import JobError
from db.repositories import job_waits
from db.repositories.claims import LOSSES_IN_COMPANY
from db.repositories.job_waits import ServiceRow, WaitRow

DEPENDENCIES: Final = {
    "gateway-": "the inference gateway",
    "model-loading": "the inference gateway",
    "embedder-failed": "the inference gateway",
    "generation-unavailable": "the generation model",
    "upstream-": "the generation model",
    "vector-store-": "the search index",
    "object-store-": "the file store",
    "database-": "the database",
    "dependency-unavailable": "another part of the installation",
}
"""Which errors say that something else was away, by how their types begin."""


async def why_waiting(subject: Subject, job_id: UUID) -> JobWaiting:
    """Return what keeps a job from starting; nothing for one that runs, has ended, or is about to start.

    Raises:
        PermissionMissing: the subject is no operator.
        JobNotFound: the tenant has no such job.
    """
    subject.require(READ_ALL)
    job = await job_waits.wait_of(job_id, subject.tenant_id)
    if job is None:
        raise JobNotFound
    if job.state not in ("queued", "waiting"):
        return JobWaiting(state=job.state, reasons=[])
    service = await job_waits.service_of(job.queue)
    reasons = [*_asked_for(job), *_relatives(job), *_time(job)]
    if job.waits_for in (None, "place") and (job.is_due or job.waits_for == "place"):
        reasons += await _places(job)
        if not reasons and service.serving:
            reasons += await _turn(job, service)
    return JobWaiting(state=job.state, reasons=[*reasons, *_nobody(job, service)])


def _asked_for(job: WaitRow) -> Iterator[WaitingReason]:
    if job.cancel_requested_at is not None:
        detail = "Somebody asked to end it; the clock does so."
        yield WaitingReason(code="cancel-requested", detail=detail, since=job.cancel_requested_at)
    if job.paused_at is not None:
        detail = f"The queue {job.queue} is paused."
        yield WaitingReason(
            code="queue-paused", detail=detail, since=job.paused_at, user_id=job.paused_by, queue=job.queue
        )


def _relatives(job: WaitRow) -> Iterator[WaitingReason]:
    if job.waits_for == "children":
        detail = f"{job.open_children} of the jobs it consists of have not ended."
        yield WaitingReason(code="children", detail=detail, count=job.open_children)
    if job.waits_for == "predecessor":
        detail = f"The job before it is {job.after_state or 'gone'}."
        ids = [] if job.after_id is None else [job.after_id]
        yield WaitingReason(code="predecessor", detail=detail, job_ids=ids)


def _time(job: WaitRow) -> Iterator[WaitingReason]:
    """Return when it is tried again, and what was away when it was tried last."""
    if job.is_due or job.waits_for is not None or job.retry_at is None:
        return
    if job.attempt == 0:
        yield WaitingReason(code="starts-at", detail="It was made to start later.", until=job.retry_at)
        return
    failed = msgspec.json.decode(job.error, type=JobError).type if job.error else None
    yield WaitingReason(
        code="retry-at",
        detail=f"Attempt {job.attempt} of {job.max_attempts} failed; the next one has its time.",
        until=job.retry_at,
        count=job.attempt,
        limit=job.max_attempts,
        error_type=failed,
    )
    away = next((name for prefix, name in DEPENDENCIES.items() if failed and failed.startswith(prefix)), None)
    if away is not None:
        detail = f"At the last attempt {away} did not answer."
        yield WaitingReason(code="dependency", detail=detail, dependency=away, error_type=failed)


async def _places(job: WaitRow) -> list[WaitingReason]:
    """Return the limits that are reached, and who holds their places."""
    reasons = []
    of_tenant = await job_waits.places_of_tenant(job.kind, job.tenant_id)
    if of_tenant.running >= job.concurrency_per_tenant:
        reasons.append(
            WaitingReason(
                code="tenant-limit",
                detail=f"{of_tenant.running} jobs of this kind run, and no more may at once.",
                limit=job.concurrency_per_tenant,
                count=of_tenant.running,
                job_ids=of_tenant.job_ids,
            )
        )
    if job.concurrency_key is not None:
        of_key = await job_waits.places_of_key(job.kind, job.concurrency_key, job.tenant_id)
        if of_key.running >= job.concurrency_per_key:
            reasons.append(
                WaitingReason(
                    code="key-limit",
                    detail=f"{of_key.running} jobs with its key run, and no more may at once.",
                    key=job.concurrency_key,
                    limit=job.concurrency_per_key,
                    count=of_key.running,
                    job_ids=of_key.job_ids,
                )
            )
    if not reasons and job.waits_for == "place" and job.losses >= LOSSES_IN_COMPANY and not job.paused_at:
        detail = f"{job.losses} workers died while they had it: it runs apart from others of that sort."
        reasons.append(WaitingReason(code="kept-apart", detail=detail, count=job.losses))
    return reasons


async def _turn(job: WaitRow, service: ServiceRow) -> list[WaitingReason]:
    """Return what is before a job against which nothing else speaks."""
    reasons = []
    if service.running >= service.threads:
        detail = f"All {service.threads} threads of the workers of its queue are at work."
        reasons.append(
            WaitingReason(
                code="workers-busy", detail=detail, queue=job.queue, limit=service.threads, count=service.running
            )
        )
    if ahead := await job_waits.ahead_of(job):
        detail = f"{ahead} jobs of the queue {job.queue} come before it."
        reasons.append(WaitingReason(code="behind", detail=detail, queue=job.queue, count=ahead))
    if not job.is_pushed:
        detail = "No worker was told of it yet; the clock does so, each second."
        reasons.append(WaitingReason(code="not-pushed", detail=detail, since=job.created_at))
    return reasons


def _nobody(job: WaitRow, service: ServiceRow) -> Iterator[WaitingReason]:
    if not service.serving:
        detail = f"No worker serves the queue {job.queue}"
        detail += f": {service.draining} stop after what they do now." if service.draining else "."
        yield WaitingReason(code="no-worker", detail=detail, queue=job.queue, count=service.draining)
