"""Queues under load and after a failure, as the operators' pages have to show them: rows that no worker would touch."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from db import query
from db.repositories import queue_samples
from db.repositories.queue_samples import Reach, Sample
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id

KINDS = (("documents.ingest", "ingest"), ("documents.prune", "default"), ("academics.course_moved", "default"))
ERRORS = ("gateway-unavailable", "worker-lost", "timeout")
STEP = timedelta(seconds=15)


async def add_job(tenant_id: UUID, state: str, **columns: Any) -> JobId:
    """A job in that state; further columns as given."""
    job_id = new_id()
    values = {
        "id": job_id,
        "tenant_id": tenant_id,
        "kind": "documents.ingest",
        "queue": "ingest",
        "priority": 50,
        "args": "{}",
        "state": state,
        "max_attempts": 4,
        "time_limit_seconds": 600.0,
        "concurrency_per_tenant": 4,
        "expires_at": datetime.now(UTC) + timedelta(days=2),
        "request_id": f"request-{job_id.hex[-6:]}",
        "traceparent": "",
        "pushed_at": datetime.now(UTC),
    } | columns
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await query.execute(f"INSERT INTO jobs ({', '.join(values)}) VALUES ({places})", *values.values())
    return JobId(job_id)


async def add_dead(tenant_id: UUID, kind: str = "documents.prune", error: str = "worker-lost", **columns: Any) -> JobId:
    """A dead job with its two attempts."""
    now, told = datetime.now(UTC), query.to_json({"type": error, "detail": "It did not work."})
    job_id = await add_job(
        tenant_id, "dead", kind=kind, queue="default", attempt=2, error=told, started_at=now, finished_at=now, **columns
    )
    for number in (1, 2):
        await query.execute(
            """INSERT INTO job_attempts (id, job_id, attempt, started_at, finished_at, outcome, error)
               VALUES ($1, $2, $3, $4, $5, 'failed', $6)""",
            new_id(),
            job_id,
            number,
            now - timedelta(seconds=40 - number),
            now - timedelta(seconds=30 - number),
            told,
        )
    return job_id


async def add_worker(*queues: str, **columns: Any) -> UUID:
    """A worker that gave a sign of life now."""
    worker_id = new_id()
    values = {"id": worker_id, "host": "worker-1", "pid": 4711, "queues": list(queues), "lock_key": 1} | columns
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await query.execute(f"INSERT INTO workers ({', '.join(values)}) VALUES ({places})", *values.values())
    return worker_id


async def add_event_given_up(tenant_id: UUID) -> None:
    """A consumer that gave up an event, and a webhook with a message that did not arrive."""
    event_id, endpoint_id = new_id(), new_id()
    await query.execute("INSERT INTO event_consumers (id, name, position) VALUES ($1, 'webhooks', 1)", new_id())
    await query.execute(
        """INSERT INTO outbox (id, tenant_id, kind, version, payload, request_id, traceparent, position, sent_at)
           VALUES ($1, $2, 'document.ready', 1, '{}', '', '', 1, now())""",
        event_id,
        tenant_id,
    )
    await query.execute(
        """INSERT INTO event_failures (id, tenant_id, consumer, event_id, state, attempts, error)
           VALUES ($1, $2, 'webhooks', $3, 'dead', 5, 'DatabaseUnavailable')""",
        new_id(),
        tenant_id,
        event_id,
    )
    await query.execute(
        """INSERT INTO webhook_endpoints (id, tenant_id, url, description, events, secret, failing_since)
           VALUES ($1, $2, 'https://portal.example.org/lyceum/events?source=a-rather-long-address', '', '{*}', '', now())""",
        endpoint_id,
        tenant_id,
    )
    await query.execute(
        """INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, kind, body, state, attempts, ended_at)
           VALUES ($1, $2, $3, $4, 'document.ready', '{}', 'failed', 8, now())""",
        new_id(),
        tenant_id,
        endpoint_id,
        event_id,
    )


async def add_load(tenant_id: UUID, user_id: UUID) -> None:
    """Some hundred jobs in all states, workers, a schedule, and what was sampled in the last hours."""
    worker_id = await add_worker("ingest", "default", threads=8, memory_bytes=314_572_800)
    await add_worker(
        "notify", host="worker-2", threads=4, memory_bytes=157_286_400, drain_requested_at=datetime.now(UTC)
    )
    for number in range(240):
        kind, queue = KINDS[number % 3]
        await add_job(tenant_id, "queued", kind=kind, queue=queue, user_id=user_id)
    for number in range(4):
        await add_job(
            tenant_id,
            "running",
            user_id=user_id,
            attempt=1,
            worker_id=worker_id,
            started_at=datetime.now(UTC),
            lease_until=datetime.now(UTC) + timedelta(hours=1),
            stage="embedding",
            items_done=10 * number,
            items_total=80,
        )
    for number in range(30):
        await add_dead(tenant_id, KINDS[number % 2][0], ERRORS[number % 3], user_id=user_id)
    await query.execute(
        """INSERT INTO schedules (id, tenant_id, user_id, name, kind, args, cron, timezone, missed, next_at)
           VALUES ($1, $2, $3, 'Clear old jobs', 'jobs.purge', '{"older_than_days": 14}', '0 3 * * *', 'Africa/Cairo',
                   'once', now() + interval '9 hours')""",
        new_id(),
        tenant_id,
        user_id,
    )
    await add_samples(tenant_id)


async def add_samples(tenant_id: UUID, count: int = 230) -> None:
    """Almost an hour of samples, with a gap of three minutes.

    The waves rise towards now, so that however the clock cuts the hour into steps, not all have the same highest value.
    """
    now = datetime.now(UTC)
    slot_at = now - timedelta(seconds=now.timestamp() % 15)
    async with unit_of_work() as uow:
        for number in range(count):
            at = slot_at - number * STEP
            if 100 <= number < 112:
                continue
            wave = int((90 + 70 * math.sin(number / 18)) * (1 - number / (2 * count)))
            rows = [
                Sample(
                    tenant_id=tenant,
                    queue=queue,
                    depth=wave // size,
                    oldest_seconds=wave * 2.0,
                    in_flight=4,
                    arrived=6 + number % 4,
                    succeeded=7 + number % 3,
                    died=number % 20 == 0,
                )
                for tenant in (tenant_id, None)
                for queue, size in (("ingest", 1), ("default", 3))
            ]
            await queue_samples.add(uow, Reach(slot_at=at, last_slot_at=None, since=at - STEP, until=at), rows)
