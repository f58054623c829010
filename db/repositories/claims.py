"""Claims: a worker's taking of one job for one attempt, where every limit is enforced.

A claim raises `attempt` before any work, so that a job that kills its worker uses up its attempts like any other.

A message names a job, but means that a worker is free: the worker takes the most urgent of the jobs of that queue whose
messages are out. Each message taken starts one of them, so that none is left without.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from db import query
from db.jobs import Claim, WaitsFor
from db.repositories.jobs import add_event
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id

LIMIT_RETRY_SECONDS = 1.0
"""How soon a job over its limit is looked at again when no end of another brought it forward."""


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    queue: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    parent_id: UUID | None
    args: str
    attempt: int
    max_attempts: int
    fencing_token: int
    losses: int
    concurrency_per_tenant: int
    concurrency_per_key: int
    concurrency_key: str | None
    waits_for: WaitsFor | None
    is_due: bool
    expired: bool
    request_id: str
    traceparent: str

    @property
    def can_start(self) -> bool:
        """Whether the job itself has nothing against it: neither its time nor its relatives nor its attempts."""
        is_free = self.waits_for == "place" or (self.waits_for is None and self.is_due)
        return is_free and not self.expired and self.attempt < self.max_attempts

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what killed its workers: lost twice, or once and this is its last attempt."""
        return self.losses >= 2 or (self.losses == 1 and self.attempt + 1 >= self.max_attempts)


class _Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What runs beside a candidate."""

    is_paused: bool
    of_tenant: int
    of_key: int
    suspects: int


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The most urgent other job of the queue: does it go before the message's own, and is the push of that one noted?"""

    best: UUID | None
    overtakes: bool
    is_noted: bool


async def claim_next(job_id: UUID, worker_id: UUID, lease_seconds: float, kinds: Sequence[str]) -> Claim | None:
    """Take the most urgent job of `job_id`'s queue, that one among equals, or return None when none can start now.

    A job that another overtakes is left to the other's message. `kinds` are those this worker knows.
    """
    tried: list[UUID] = []
    while (choice := await _choose(job_id, kinds, tried)) is not None:
        chosen = choice.best if choice.overtakes or job_id in tried else job_id
        if chosen is None:
            return None
        if job_id not in (chosen, *tried) and not choice.is_noted:
            await _note_push(job_id)
        claimed = await claim(chosen, worker_id, lease_seconds, wait=chosen == job_id)
        if claimed is not None:
            return claimed
        tried.append(chosen)
    return None


async def _note_push(job_id: UUID) -> None:
    """Let whoever takes the message of the job that overtakes this one find it."""
    await query.execute(
        "UPDATE jobs SET pushed_at = now() WHERE id = $1 AND pushed_at IS NULL AND state IN ('queued', 'waiting')", job_id
    )


async def _choose(job_id: UUID, kinds: Sequence[str], tried: Sequence[UUID]) -> _Choice | None:
    return await query.fetch_one(
        _Choice,
        """SELECT b.id AS best, coalesce(b.priority < own.priority, false) AND own.id <> ALL($3) AS overtakes,
                  own.pushed_at IS NOT NULL AS is_noted
           FROM jobs own LEFT JOIN LATERAL (
               SELECT j.id, j.priority FROM jobs j
               WHERE j.queue = own.queue AND j.state IN ('queued', 'waiting') AND j.pushed_at IS NOT NULL
                 AND j.id <> own.id AND j.id <> ALL($3) AND j.kind = ANY($2) AND j.cancel_requested_at IS NULL
                 AND (j.waits_for = 'place' OR (j.waits_for IS NULL AND coalesce(j.retry_at, now()) <= now()))
               ORDER BY j.priority, j.pushed_at LIMIT 1) b ON true
           WHERE own.id = $1""",
        job_id,
        list(kinds),
        list(tried),
    )


async def claim(job_id: UUID, worker_id: UUID, lease_seconds: float, *, wait: bool = True) -> Claim | None:
    """Take the job for one attempt, or return None when there is nothing to do now.

    None means: unknown, running elsewhere, ended, to be cancelled, not due yet, waiting for other jobs, in a paused queue,
    over a limit (it waits for a place), or too old (the clock ends it and tells its domain); without `wait` also held by
    another transaction.
    """
    async with unit_of_work() as uow:
        row = await query.fetch_one(
            _Candidate,
            f"""SELECT kind, queue, tenant_id, user_id, subject_id, parent_id, args, attempt, max_attempts, fencing_token, losses,
                      concurrency_per_tenant, concurrency_per_key, concurrency_key, waits_for,
                      (retry_at IS NULL OR retry_at <= now()) AS is_due, expires_at <= now() AS expired, request_id, traceparent
               FROM jobs WHERE id = $1 AND state IN ('queued', 'waiting') AND cancel_requested_at IS NULL
               FOR UPDATE {"" if wait else "SKIP LOCKED"}""",  # whoever pushed the job may be noting so, and its message comes once
            job_id,
        )
        if row is None or not row.can_start or not await _may_run(job_id, row, worker_id):
            return None
        await query.execute(
            """UPDATE jobs SET state = 'running', attempt = attempt + 1, fencing_token = fencing_token + 1, worker_id = $2,
                      lease_until = now() + $3 * interval '1 second', started_at = coalesce(started_at, now()), retry_at = NULL,
                      waits_for = NULL
               WHERE id = $1""",
            job_id,
            worker_id,
            float(lease_seconds),
        )
        await query.execute(
            "INSERT INTO job_attempts (id, job_id, attempt, worker_id) VALUES ($1, $2, $3, $4)",
            new_id(),
            job_id,
            row.attempt + 1,
            worker_id,
        )
        await add_event(uow, job_id, "started", {"attempt": row.attempt + 1})
    return _claim_of(job_id, row)


def _claim_of(job_id: UUID, row: _Candidate) -> Claim:
    return Claim(
        job_id=JobId(job_id),
        kind=row.kind,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        subject_id=row.subject_id,
        parent_id=row.parent_id,
        concurrency_key=row.concurrency_key,
        args=row.args.encode(),
        attempt=row.attempt + 1,
        max_attempts=row.max_attempts,
        fencing_token=row.fencing_token + 1,
        request_id=row.request_id,
        traceparent=row.traceparent,
    )


async def _may_run(job_id: UUID, row: _Candidate, worker_id: UUID) -> bool:
    """Count what runs beside the job under locks of its tenant's and its key's places; put the job back when there is none.

    The locks are taken by a statement of their own: the next one has to see what others committed under them. A queue's
    lock is shared among claims, and taken alone by whoever pauses it. Of suspects each worker runs one at a time, so that
    what kills it uses up its own attempts and not those of the others.
    """
    await query.execute(
        """SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0)), pg_advisory_xact_lock(hashtextextended($2, 0)),
                  CASE WHEN $3::text IS NOT NULL THEN pg_advisory_xact_lock(hashtextextended($3, 0)) END,
                  CASE WHEN $4::text IS NOT NULL THEN pg_advisory_xact_lock(hashtextextended($4, 0)) END""",
        queue_lock(row.tenant_id, row.queue),
        f"{row.kind}:{row.tenant_id}",
        None if row.concurrency_key is None else f"{row.kind}:key:{row.concurrency_key}",
        f"suspects:{worker_id}" if row.is_suspect else None,
    )
    beside = await query.fetch_one(
        _Beside,
        """SELECT EXISTS (SELECT FROM queue_pauses WHERE tenant_id = $2 AND queue = $3) AS is_paused,
                  (SELECT count(*) FROM jobs WHERE kind = $1 AND tenant_id = $2 AND state = 'running') AS of_tenant,
                  (SELECT count(*) FROM jobs WHERE kind = $1 AND concurrency_key = $4 AND state = 'running') AS of_key,
                  (SELECT count(*) FROM jobs WHERE worker_id = $5 AND state = 'running' AND losses > 0) AS suspects""",
        row.kind,
        row.tenant_id,
        row.queue,
        row.concurrency_key,
        worker_id,
    )
    assert beside is not None
    if beside.is_paused:
        await query.execute(
            "UPDATE jobs SET pushed_at = NULL, retry_at = greatest(retry_at, now()) WHERE id = $1", job_id
        )
        return False
    is_alone = not (row.is_suspect and beside.suspects)
    if is_alone and beside.of_tenant < row.concurrency_per_tenant and beside.of_key < row.concurrency_per_key:
        return True
    await query.execute(
        """UPDATE jobs SET state = 'waiting', waits_for = 'place', retry_at = now() + $2 * interval '1 second', pushed_at = NULL
           WHERE id = $1""",
        job_id,
        LIMIT_RETRY_SECONDS,
    )
    return False


def queue_lock(tenant_id: UUID, queue: str) -> str:
    """Return the name of the lock between claims from a queue and its pause."""
    return f"queue:{tenant_id}:{queue}"
