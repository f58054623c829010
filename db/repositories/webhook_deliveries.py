"""What endpoints were told, attempt by attempt."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import new_id

DeliveryState = Literal["waiting", "delivered", "failed"]


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message to an endpoint; `status`, `error` and `duration_ms` are the last attempt's, null before the first."""

    id: UUID
    event_id: UUID | None
    kind: str
    state: DeliveryState
    attempts: int
    status: int | None
    error: str | None
    duration_ms: int | None
    job_id: UUID | None
    created_at: datetime
    attempted_at: datetime | None
    ended_at: datetime | None


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt; `attempt` counts from 1, over replays too."""

    attempt: int
    status: int | None
    error: str | None
    duration_ms: int
    created_at: datetime


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, where, and signed with what; the secrets are sealed."""

    id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    state: DeliveryState
    kind: str
    body: str
    url: str
    is_enabled: bool
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None


DELIVERY = """SELECT d.id, d.event_id, d.kind, d.state, d.attempts, a.status, a.error, a.duration_ms, d.job_id, d.created_at,
                     a.created_at AS attempted_at, d.ended_at
              FROM webhook_deliveries d LEFT JOIN webhook_attempts a ON a.delivery_id = d.id AND a.attempt = d.attempts"""
PICKED = """id IN (SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'failed' AND created_at >= $2
                   ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)"""


async def add(
    uow: UnitOfWork, tenant_id: UUID, endpoint_id: UUID, event_id: UUID | None, kind: str, body: str
) -> UUID | None:
    """Write a delivery and return its id; None when the endpoint has one of the event already."""
    del uow
    added: UUID | None = await query.fetch_value(
        """INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, kind, body) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (endpoint_id, event_id) DO NOTHING RETURNING id""",
        new_id(),
        tenant_id,
        endpoint_id,
        event_id,
        kind,
        body,
    )
    return added


async def set_job(uow: UnitOfWork, delivery_id: UUID, job_id: UUID) -> None:
    """Note the job that delivers."""
    del uow
    await query.execute("UPDATE webhook_deliveries SET job_id = $2 WHERE id = $1", delivery_id, job_id)


async def message(delivery_id: UUID) -> MessageRow | None:
    """Return what to send; None when the endpoint was deleted."""
    return await query.fetch_one(
        MessageRow,
        """SELECT d.id, d.tenant_id, d.endpoint_id, d.state, d.kind, d.body, e.url, e.is_enabled, e.secret, e.previous_secret,
                  e.previous_until
           FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id AND e.deleted_at IS NULL
           WHERE d.id = $1""",
        delivery_id,
    )


async def note_attempt(
    uow: UnitOfWork, delivery_id: UUID, *, status: int | None, error: str | None, duration_ms: int
) -> None:
    """Write an attempt into the log; without an error the delivery has ended well."""
    del uow
    await query.execute(
        """WITH counted AS (
               UPDATE webhook_deliveries SET attempts = attempts + 1,
                      state = CASE WHEN $4::text IS NULL THEN 'delivered' ELSE state END,
                      ended_at = CASE WHEN $4::text IS NULL THEN now() ELSE ended_at END
               WHERE id = $2 RETURNING attempts)
           INSERT INTO webhook_attempts (id, delivery_id, attempt, status, error, duration_ms)
           SELECT $1, $2, attempts, $3, $4, $5 FROM counted""",
        new_id(),
        delivery_id,
        status,
        error,
        duration_ms,
    )


async def give_up(uow: UnitOfWork, delivery_id: UUID) -> None:
    """End a delivery badly."""
    del uow
    await query.execute(
        "UPDATE webhook_deliveries SET state = 'failed', ended_at = now() WHERE id = $1 AND state = 'waiting'",
        delivery_id,
    )


async def page(endpoint_id: UUID, state: DeliveryState | None, before_id: UUID | None, limit: int) -> list[DeliveryRow]:
    """Return an endpoint's deliveries, newest first."""
    return await query.fetch(
        DeliveryRow,
        f"""{DELIVERY} WHERE d.endpoint_id = $1 AND ($2::text IS NULL OR d.state = $2) AND ($3::uuid IS NULL OR d.id < $3)
            ORDER BY d.id DESC LIMIT $4""",
        endpoint_id,
        state,
        before_id,
        limit,
    )


async def get(endpoint_id: UUID, delivery_id: UUID) -> DeliveryRow | None:
    """Return one delivery of the endpoint."""
    return await query.fetch_one(
        DeliveryRow, f"{DELIVERY} WHERE d.endpoint_id = $1 AND d.id = $2", endpoint_id, delivery_id
    )


async def attempts(delivery_id: UUID) -> list[AttemptRow]:
    """Return the attempts of a delivery, the first one first."""
    return await query.fetch(
        AttemptRow,
        """SELECT attempt, status, error, duration_ms, created_at FROM webhook_attempts WHERE delivery_id = $1
           ORDER BY attempt DESC LIMIT 100""",
        delivery_id,
    )


async def reopen(uow: UnitOfWork, delivery_id: UUID) -> bool:
    """Let a delivery that has ended begin anew; False when it has not ended."""
    del uow
    return bool(
        await query.execute(
            "UPDATE webhook_deliveries SET state = 'waiting', ended_at = NULL WHERE id = $1 AND state <> 'waiting'",
            delivery_id,
        )
    )


async def reopen_failed(uow: UnitOfWork, endpoint_id: UUID, since: datetime, limit: int) -> list[UUID]:
    """Let the oldest failed deliveries of messages made since then begin anew; return them."""
    del uow
    return await query.fetch_values(
        f"UPDATE webhook_deliveries SET state = 'waiting', ended_at = NULL WHERE {PICKED} RETURNING id",
        endpoint_id,
        since,
        limit,
    )


async def purge(uow: UnitOfWork, days: float, limit: int) -> int:
    """Delete deliveries that ended more than `days` ago, with their log; return how many."""
    del uow
    old = await query.fetch_values(
        """SELECT id FROM webhook_deliveries WHERE ended_at < now() - $1 * interval '1 day' ORDER BY ended_at LIMIT $2
           FOR UPDATE SKIP LOCKED""",
        float(days),
        limit,
    )
    await query.execute("DELETE FROM webhook_attempts WHERE delivery_id = ANY($1)", old)
    return await query.execute("DELETE FROM webhook_deliveries WHERE id = ANY($1)", old)
