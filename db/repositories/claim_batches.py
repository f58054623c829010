"""Claims of several jobs at once: one transaction, one wait for the disk, for as many messages as a worker has taken.

What is plain is started here. A job that is overtaken, held by somebody, suspected of killing its workers, paused, over a
limit or not to be started at all is left out: `claims.claim_next` looks at each of those by itself.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from db import query
from db.jobs import Claim
from db.repositories.claims import CAN_START_NOW
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs whose rows and places are held now; does a more urgent one wait beside them?"""

    ids: list[UUID]
    is_overtaken: bool
    locks: int


class _Started(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: str
    tenant_id: UUID
    user_id: UUID | None
    subject_id: UUID | None
    parent_id: UUID | None
    concurrency_key: str | None
    args: str
    attempt: int
    max_attempts: int
    fencing_token: int
    request_id: str
    traceparent: str
    turn: int


# The locks are those of a single claim, and taken in one order by all: pauses, tenants' places, keys' places.
_HOLD = f"""
    WITH held AS MATERIALIZED (
        SELECT id, kind, queue, tenant_id, concurrency_key, priority
        FROM jobs WHERE id = ANY($1) AND state NOT IN ('running', 'succeeded', 'dead', 'cancelled')
          AND cancel_requested_at IS NULL AND losses = 0 AND attempt < max_attempts AND expires_at > now()
          AND {CAN_START_NOW.format(job="jobs")} FOR UPDATE SKIP LOCKED),
    ordered AS MATERIALIZED (
        SELECT DISTINCT place, hashtextextended(name, 0) AS key FROM held, LATERAL (VALUES
            (1, 'queue:' || tenant_id || ':' || queue), (2, kind || ':' || tenant_id), (3, kind || ':key:' || concurrency_key)
        ) AS locks (place, name) WHERE name IS NOT NULL ORDER BY place, key),
    locked AS MATERIALIZED (
        SELECT CASE WHEN place = 1 THEN pg_advisory_xact_lock_shared(key) ELSE pg_advisory_xact_lock(key) END::text AS done
        FROM ordered)
    SELECT coalesce(array_agg(id), '{{}}') AS ids, (SELECT count(done) FROM locked) AS locks,
           EXISTS (SELECT FROM jobs j
               WHERE j.queue = (SELECT min(queue) FROM held) AND j.state IN ('queued', 'waiting') AND j.pushed_at IS NOT NULL
                 AND j.priority < (SELECT max(priority) FROM held) AND j.kind || '' = ANY($2) AND j.id <> ALL($1)
                 AND j.cancel_requested_at IS NULL AND {CAN_START_NOW.format(job="j")}) AS is_overtaken
    FROM held"""

# Those that come first in their tenant, and with their key, get the places that are left. The tenant is compared as text so that
# no index of ended jobs fits; see `claims`.
_START = """
    WITH held AS MATERIALIZED (
        SELECT j.id, asked.turn, j.kind, j.tenant_id, j.queue, j.concurrency_key, j.concurrency_per_tenant, j.concurrency_per_key,
               row_number() OVER (PARTITION BY j.kind, j.tenant_id ORDER BY asked.turn) AS in_tenant,
               row_number() OVER (PARTITION BY j.kind, j.concurrency_key ORDER BY asked.turn) AS with_key
        FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, turn) JOIN jobs j ON j.id = asked.id),
    tenants AS MATERIALIZED (
        SELECT kind, tenant_id, queue, (SELECT count(*) FROM jobs r
                   WHERE r.kind = g.kind AND r.tenant_id::text = g.tenant_id::text AND r.state = 'running') AS running,
               EXISTS (SELECT FROM queue_pauses p WHERE p.tenant_id = g.tenant_id AND p.queue = g.queue) AS is_paused
        FROM (SELECT DISTINCT kind, tenant_id, queue FROM held) AS g),
    keys AS MATERIALIZED (
        SELECT kind, concurrency_key, (SELECT count(*) FROM jobs r
                   WHERE r.kind = g.kind AND r.concurrency_key = g.concurrency_key AND r.state = 'running') AS running
        FROM (SELECT DISTINCT kind, concurrency_key FROM held WHERE concurrency_key IS NOT NULL) AS g),
    free AS MATERIALIZED (
        SELECT id, turn FROM held JOIN tenants t USING (kind, tenant_id, queue) LEFT JOIN keys k USING (kind, concurrency_key)
        WHERE NOT t.is_paused AND in_tenant + t.running <= concurrency_per_tenant
          AND (concurrency_key IS NULL OR with_key + k.running <= concurrency_per_key)),
    started AS (
        UPDATE jobs SET state = 'running', attempt = attempt + 1, fencing_token = fencing_token + 1, worker_id = $2,
               lease_until = now() + $3 * interval '1 second', started_at = coalesce(started_at, now()), retry_at = NULL,
               waits_for = NULL, last_event = last_event + 1
        FROM free WHERE jobs.id = free.id
        RETURNING jobs.*, free.turn),
    attempted AS (
        INSERT INTO job_attempts (id, job_id, attempt, worker_id) SELECT ($4::uuid[])[turn], id, attempt, $2 FROM started),
    told AS (
        INSERT INTO job_events (id, job_id, seq, type, data)
        SELECT ($5::uuid[])[turn], id, last_event, 'started', jsonb_build_object('attempt', attempt) FROM started)
    SELECT id, kind, tenant_id, user_id, subject_id, parent_id, concurrency_key, args, attempt, max_attempts, fencing_token,
           request_id, traceparent, turn FROM started"""


async def claim_plain(
    job_ids: Sequence[UUID], worker_id: UUID, lease_seconds: float, kinds: Sequence[str]
) -> list[Claim]:
    """Take those of the jobs, all of one queue, that nothing speaks against; in the order given.

    None is taken while a more urgent one of `kinds` waits in the queue: then each message has to find its own.
    """
    async with unit_of_work():
        held = await query.fetch_one(_Held, _HOLD, list(job_ids), list(kinds))
        assert held is not None
        if held.is_overtaken or not held.ids:
            return []
        can_be_held = set(held.ids)
        asked = [job_id for job_id in job_ids if job_id in can_be_held]
        started = await query.fetch(
            _Started,
            _START,
            asked,
            worker_id,
            float(lease_seconds),
            [new_id() for _ in asked],
            [new_id() for _ in asked],
        )
    return [_claim_of(row) for row in sorted(started, key=lambda row: row.turn)]


def _claim_of(row: _Started) -> Claim:
    return Claim(
        job_id=JobId(row.id),
        kind=row.kind,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        subject_id=row.subject_id,
        parent_id=row.parent_id,
        concurrency_key=row.concurrency_key,
        args=row.args.encode(),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        fencing_token=row.fencing_token,
        request_id=row.request_id,
        traceparent=row.traceparent,
    )
