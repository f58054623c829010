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
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id

LIMIT_RETRY_SECONDS = 1.0
"""How soon a job over its limit is looked at again when no end of another brought it forward."""

LOSSES_IN_COMPANY = 2
"""How many workers a job may lose beside others. Then it is a suspect: of those each worker runs one at a time, so that what
kills it uses up its own attempts and not those of the others; and only then can a loss be a job's end."""

CAN_START_NOW = "({job}.waits_for = 'place' OR ({job}.waits_for IS NULL AND coalesce({job}.retry_at, now()) <= now()))"
"""What a row has to say: its time has come, and it waits for no other job."""


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
    concurrency_key: str | None
    waits_for: WaitsFor | None
    is_due: bool
    is_overtaken: bool
    expired: bool
    request_id: str
    traceparent: str
    locks: str

    @property
    def can_start(self) -> bool:
        """Whether the job itself has nothing against it: neither its time nor its relatives nor its attempts."""
        is_free = self.waits_for == "place" or (self.waits_for is None and self.is_due)
        return is_free and not self.expired and self.attempt < self.max_attempts

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what killed its workers."""
        return self.losses >= LOSSES_IN_COMPANY


class _Start(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the job has been started, and if not whether because of a pause; else there was no place."""

    has_started: bool
    is_paused: bool


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The most urgent other job of the queue: does it go before the message's own, and is the push of that one noted?"""

    best: UUID | None
    overtakes: bool
    is_noted: bool


# Where statistics know a million ended jobs and none that waits, every index of waiting jobs looks equally cheap: the
# conditions on state, kind and tenant are written so that only the right one fits.
# The locks of a tenant's and a key's places are taken with the row, and the places counted by the next statement, which sees
# what others committed under them. A queue's lock is shared among claims, and taken alone by whoever pauses it.
_CANDIDATE = """
    WITH candidate AS MATERIALIZED (
        SELECT kind, queue, tenant_id, user_id, subject_id, parent_id, args, attempt, max_attempts, fencing_token, losses,
               concurrency_key, waits_for, priority, (retry_at IS NULL OR retry_at <= now()) AS is_due,
               expires_at <= now() AS expired, request_id, traceparent
        FROM jobs WHERE id = $1 AND state NOT IN ('running', 'succeeded', 'dead', 'cancelled')
          AND cancel_requested_at IS NULL FOR UPDATE {skipping})
    SELECT kind, queue, tenant_id, user_id, subject_id, parent_id, args, attempt, max_attempts, fencing_token, losses,
           concurrency_key, waits_for, is_due, expired, request_id, traceparent,
           EXISTS (SELECT FROM jobs j
               WHERE j.queue = candidate.queue AND j.state IN ('queued', 'waiting') AND j.pushed_at IS NOT NULL
                 AND j.priority < candidate.priority AND j.kind || '' = ANY($2) AND j.cancel_requested_at IS NULL
                 AND {can_start}) AS is_overtaken,
           concat(
               pg_advisory_xact_lock_shared(hashtextextended('queue:' || tenant_id || ':' || queue, 0)),
               pg_advisory_xact_lock(hashtextextended(kind || ':' || tenant_id, 0)),
               CASE WHEN concurrency_key IS NOT NULL
                   THEN pg_advisory_xact_lock(hashtextextended(kind || ':key:' || concurrency_key, 0)) END,
               CASE WHEN losses > 0 THEN pg_advisory_xact_lock(hashtextextended('suspects:' || $3::uuid, 0)) END) AS locks
    FROM candidate"""

_START = f"""
    WITH beside AS (
        SELECT EXISTS (SELECT FROM queue_pauses WHERE tenant_id = $5 AND queue = $6) AS is_paused,
               (SELECT count(*) FROM jobs WHERE kind = $4 AND tenant_id::text = $5::uuid::text AND state = 'running') AS of_tenant,
               (SELECT count(*) FROM jobs WHERE kind = $4 AND concurrency_key = $7 AND state = 'running') AS of_key,
               (SELECT count(*) FROM jobs WHERE worker_id = $2 AND state = 'running' AND losses > 0
                  AND losses >= {LOSSES_IN_COMPANY}) AS suspects),
    started AS (
        UPDATE jobs SET state = 'running', attempt = attempt + 1, fencing_token = fencing_token + 1, worker_id = $2,
               lease_until = now() + $3 * interval '1 second', started_at = coalesce(started_at, now()), retry_at = NULL,
               waits_for = NULL, last_event = last_event + 1
        FROM beside WHERE id = $1 AND NOT is_paused AND of_tenant < concurrency_per_tenant AND of_key < concurrency_per_key
          AND NOT ($8 AND suspects > 0)
        RETURNING id, attempt, last_event),
    attempted AS (
        INSERT INTO job_attempts (id, job_id, attempt, worker_id) SELECT $9, id, attempt, $2 FROM started),
    told AS (
        INSERT INTO job_events (id, job_id, seq, type, data)
        SELECT $10, id, last_event, 'started', jsonb_build_object('attempt', attempt) FROM started)
    SELECT EXISTS (SELECT FROM started) AS has_started, is_paused FROM beside"""


async def claim_next(job_id: UUID, worker_id: UUID, lease_seconds: float, kinds: Sequence[str]) -> Claim | None:
    """Take the most urgent job of `job_id`'s queue, that one among equals, or return None when none can start now.

    A job that another overtakes is left to the other's message. `kinds` are those this worker knows.
    """
    claimed, is_overtaken = await _take(job_id, worker_id, lease_seconds, kinds)
    if claimed is not None:
        return claimed
    tried = [] if is_overtaken else [job_id]
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
        "UPDATE jobs SET pushed_at = now() WHERE id = $1 AND pushed_at IS NULL AND state IN ('queued', 'waiting')",
        job_id,
    )


async def _choose(job_id: UUID, kinds: Sequence[str], tried: Sequence[UUID]) -> _Choice | None:
    return await query.fetch_one(
        _Choice,
        f"""SELECT b.id AS best, coalesce(b.priority < own.priority, false) AND own.id <> ALL($3) AS overtakes,
                  own.pushed_at IS NOT NULL AS is_noted
           FROM jobs own LEFT JOIN LATERAL (
               SELECT j.id, j.priority FROM jobs j
               WHERE j.queue = own.queue AND j.state IN ('queued', 'waiting') AND j.pushed_at IS NOT NULL
                 AND j.id <> own.id AND j.id <> ALL($3) AND j.kind || '' = ANY($2) AND j.cancel_requested_at IS NULL
                 AND {CAN_START_NOW.format(job="j")}
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
    claimed, _ = await _take(job_id, worker_id, lease_seconds, (), wait=wait)
    return claimed


async def _take(
    job_id: UUID, worker_id: UUID, lease_seconds: float, kinds: Sequence[str], *, wait: bool = True
) -> tuple[Claim | None, bool]:
    """Claim the job unless a more urgent one of `kinds` overtakes it; say whether one does."""
    async with unit_of_work():
        row = await query.fetch_one(
            _Candidate,
            # Not SKIP LOCKED at first: whoever pushed the job may be noting so, and its message comes once.
            _CANDIDATE.format(can_start=CAN_START_NOW.format(job="j"), skipping="" if wait else "SKIP LOCKED"),
            job_id,
            list(kinds),
            worker_id,
        )
        if row is None or not row.can_start:
            return None, False
        if row.is_overtaken:
            return None, True
        if not await _start(job_id, row, worker_id, lease_seconds):
            return None, False
    return _claim_of(job_id, row), False


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
        is_suspect=row.is_suspect,
    )


async def _start(job_id: UUID, row: _Candidate, worker_id: UUID, lease_seconds: float) -> bool:
    """Start the attempt if there is a place for it, else put the job back."""
    start = await query.fetch_one(
        _Start,
        _START,
        job_id,
        worker_id,
        float(lease_seconds),
        row.kind,
        row.tenant_id,
        row.queue,
        row.concurrency_key,
        row.is_suspect,
        new_id(),
        new_id(),
    )
    assert start is not None
    if start.has_started:
        return True
    if start.is_paused:
        await query.execute(
            "UPDATE jobs SET pushed_at = NULL, retry_at = greatest(retry_at, now()) WHERE id = $1", job_id
        )
        return False
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
