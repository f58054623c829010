"""What the clock does to the job table: pushes what Redis does not have, and ends or gives back what nobody works on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.jobs import EndedJob, JobError
from db.repositories.claims import LOSSES_IN_COMPANY
from db.repositories.jobs import add_event, bury
from db.session import WORKER_LOCK_CLASS
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import JobId

Unwanted = Literal["expired", "cancelled"]

WORKER_LOST = JobError(type="worker-lost", detail="The worker stopped in the middle of the work.")
EXPIRED = JobError(type="expired", detail="The job waited longer than its kind allows.")
LONGEST_WAIT_SECONDS = 10
"""After a worker's death, for a job that has lost several: with the time to notice the death it may run again within 15 s."""


class PushRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose id has to go to Redis (again). Whoever takes it from there changes `fencing_token` or `retry_at`."""

    id: JobId
    kind: str
    queue: str
    fencing_token: int
    retry_at: datetime | None


class StuckJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that its worker, its age or a person's wish has stopped; `args` is JSON text."""

    id: JobId
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    args: str
    attempt: int
    max_attempts: int
    fencing_token: int
    cancel_requested: bool

    def ended(self, error: JobError | None) -> EndedJob:
        """Describe the job's end: with an error it is dead, without one cancelled."""
        return EndedJob(
            job_id=self.id,
            kind=self.kind,
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            subject_id=self.subject_id,
            args=self.args.encode(),
            error=error,
        )


STUCK = """j.id, j.kind, j.tenant_id, j.user_id, j.subject_id, j.args, j.attempt, j.max_attempts, j.fencing_token,
            j.cancel_requested_at IS NOT NULL AS cancel_requested"""


async def jobs_to_push(empty_queues: list[str], limit: int = 500) -> list[PushRow]:
    """Return jobs that are due and were never pushed, or were a minute ago to a queue that is empty in Redis now.

    Of a tenant's jobs of one kind only about as many are in Redis as may run at once: the others would be put back in
    vain, and stand before those of other tenants. Tenants take turns.
    """
    return await query.fetch(
        PushRow,
        """WITH due AS (
               SELECT id, kind, queue, tenant_id, priority, concurrency_per_tenant, fencing_token, retry_at,
                      row_number() OVER (PARTITION BY tenant_id, kind ORDER BY priority, id) AS place FROM jobs
               WHERE state IN ('queued', 'waiting') AND cancel_requested_at IS NULL
                 AND (waits_for IS NULL OR waits_for = 'place') AND coalesce(retry_at, created_at) <= now()
                 AND ((pushed_at IS NULL AND created_at < now() - interval '1 second')
                      OR (pushed_at < now() - interval '60 seconds' AND queue = ANY($1)))
                 AND NOT EXISTS (SELECT FROM queue_pauses p WHERE p.tenant_id = jobs.tenant_id AND p.queue = jobs.queue)),
           taken AS (
               SELECT tenant_id, kind, count(*) AS jobs FROM jobs
               WHERE state = 'running' OR (state IN ('queued', 'waiting') AND waits_for IS NULL
                 AND pushed_at >= now() - interval '60 seconds') GROUP BY tenant_id, kind)
           SELECT id, kind, queue, fencing_token, retry_at FROM due LEFT JOIN taken USING (tenant_id, kind)
           WHERE place + coalesce(taken.jobs, 0) <= 2 * concurrency_per_tenant ORDER BY priority, place, id LIMIT $2""",
        empty_queues,
        limit,
    )


async def mark_pushed(rows: Sequence[PushRow]) -> None:
    """Remember that these were handed to Redis; what has been taken from there since is left alone.

    Without that a job that was put back before this comes would count as pushed while its message is gone.
    """
    await query.execute(
        """UPDATE jobs SET pushed_at = now()
           FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS seen (id, fencing_token, retry_at)
           WHERE jobs.id = seen.id AND jobs.fencing_token = seen.fencing_token
             AND jobs.retry_at IS NOT DISTINCT FROM seen.retry_at""",
        [row.id for row in rows],
        [row.fencing_token for row in rows],
        [row.retry_at for row in rows],
    )


async def forget_pushes(queues: list[str]) -> int:
    """Treat every waiting job of the queues as not pushed: their messages are lost, or held by a process that is dead.

    A message that comes twice does no harm, for a job is claimed once.
    """
    return await query.execute(
        "UPDATE jobs SET pushed_at = NULL WHERE state IN ('queued', 'waiting') AND pushed_at IS NOT NULL AND queue = ANY($1)",
        queues,
    )


async def forget_push(job_id: UUID) -> None:
    """Treat a job as not pushed: its message was taken and not acted on."""
    await query.execute(
        """UPDATE jobs SET pushed_at = NULL, retry_at = greatest(retry_at, now())
           WHERE id = $1 AND state IN ('queued', 'waiting')""",
        job_id,
    )


async def give_back_message(job_id: UUID) -> None:
    """Treat a message as lost: it was taken and nothing was started.

    Were the job it names not waiting any more, it would have started another of the queue: all of those are pushed again.
    """
    await query.execute(
        """UPDATE jobs j SET pushed_at = NULL, retry_at = greatest(j.retry_at, now()) FROM jobs own
           WHERE own.id = $1 AND j.state IN ('queued', 'waiting')
             AND (j.id = own.id OR (j.pushed_at IS NOT NULL AND j.queue = own.queue AND own.state NOT IN ('queued', 'waiting')))""",
        job_id,
    )


async def lost_jobs(limit: int = 100, *, locks_tell: bool = True) -> list[StuckJob]:
    """Return running jobs whose lease has ended or, if `locks_tell`, whose worker's lock is free: its process is dead."""
    return await query.fetch(
        StuckJob,
        f"""SELECT {STUCK} FROM jobs j LEFT JOIN workers w ON w.id = j.worker_id
            WHERE j.state = 'running' AND (j.lease_until < now() OR $3 AND NOT EXISTS (
                SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objid::bigint = w.lock_key))
            ORDER BY j.id LIMIT $2""",
        WORKER_LOCK_CLASS,
        limit,
        locks_tell,
    )


async def give_back(uow: UnitOfWork, lost: StuckJob) -> EndedJob | None:
    """Let a lost job be claimed again; when it used up its attempts as a suspect it is dead, and its end is returned.

    One that used them up in the company of others, any of which may have killed the worker, has one more.
    The first time it may start at once, later after a wait that grows: where workers keep dying, others get their turn, and
    one job does not use up its attempts in every death.

    A higher fencing token shuts out the old attempt even if its process was only paused. A job that moved on meanwhile
    is left alone.
    """
    losses: int | None = await query.fetch_value(
        """UPDATE jobs SET state = 'waiting', lease_until = NULL, pushed_at = NULL, fencing_token = fencing_token + 1,
                  retry_at = now() + least(losses * losses, $3) * interval '1 second', losses = losses + 1,
                  max_attempts = CASE WHEN losses < $4 THEN greatest(max_attempts, attempt + 1) ELSE max_attempts END
           WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING losses - 1""",
        lost.id,
        lost.fencing_token,
        LONGEST_WAIT_SECONDS,
        LOSSES_IN_COMPANY,
    )
    if losses is None:
        return None
    await query.execute(
        "UPDATE job_attempts SET finished_at = now(), outcome = 'lost', error = $3 WHERE job_id = $1 AND attempt = $2",
        lost.id,
        lost.attempt,
        query.to_json(WORKER_LOST),
    )
    if losses >= LOSSES_IN_COMPANY and lost.attempt >= lost.max_attempts:
        await bury(uow, lost.id, WORKER_LOST)
        return lost.ended(WORKER_LOST)
    wait_seconds = min(losses * losses, LONGEST_WAIT_SECONDS)
    await add_event(uow, lost.id, "waiting", {"error": WORKER_LOST, "retry_in_seconds": wait_seconds})
    return None


async def unwanted_jobs(why: Unwanted, limit: int = 100) -> list[StuckJob]:
    """Return waiting jobs that are beyond their maximum age, or that somebody asked to cancel."""
    condition = "j.expires_at <= now()" if why == "expired" else "j.cancel_requested_at IS NOT NULL"
    return await query.fetch(
        StuckJob,
        f"SELECT {STUCK} FROM jobs j WHERE j.state IN ('queued', 'waiting') AND {condition} ORDER BY j.id LIMIT $1",
        limit,
    )


async def end_unwanted(uow: UnitOfWork, job: StuckJob, why: Unwanted) -> EndedJob | None:
    """End a waiting job and return its end; None when it moved on meanwhile."""
    held = await query.fetch_value(
        "SELECT id FROM jobs WHERE id = $1 AND state IN ('queued', 'waiting') FOR UPDATE SKIP LOCKED", job.id
    )
    if held is None:
        return None
    if why == "expired":
        await bury(uow, job.id, EXPIRED)
        return job.ended(EXPIRED)
    await query.execute(
        "UPDATE jobs SET state = 'cancelled', waits_for = NULL, finished_at = now() WHERE id = $1", job.id
    )
    await add_event(uow, job.id, "cancelled", {})
    return job.ended(None)
