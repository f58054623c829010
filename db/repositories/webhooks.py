"""Endpoints of webhooks."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork

DisabledReason = Literal["manual", "gone", "failing"]


class EndpointRow(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint; the secrets are sealed."""

    id: UUID
    tenant_id: UUID
    url: str
    description: str
    events: list[str]
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    is_enabled: bool
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(EndpointRow.__struct_fields__)


async def page(tenant_id: UUID, after_id: UUID | None, limit: int) -> list[EndpointRow]:
    """Return the tenant's endpoints, oldest first."""
    return await query.fetch(
        EndpointRow,
        f"""SELECT {COLUMNS} FROM webhook_endpoints
            WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3""",
        tenant_id,
        after_id,
        limit,
    )


async def get(endpoint_id: UUID, tenant_id: UUID, *, lock: bool = False) -> EndpointRow | None:
    """Return an endpoint of the tenant; with `lock` nobody else changes it before the transaction ends."""
    return await query.fetch_one(
        EndpointRow,
        f"""SELECT {COLUMNS} FROM webhook_endpoints WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL
            {"FOR NO KEY UPDATE" if lock else ""}""",
        endpoint_id,
        tenant_id,
    )


async def count(tenant_id: UUID) -> int:
    """Return how many endpoints the tenant has."""
    found: int = await query.fetch_value(
        "SELECT count(*) FROM webhook_endpoints WHERE tenant_id = $1 AND deleted_at IS NULL", tenant_id
    )
    return found


async def put(uow: UnitOfWork, row: EndpointRow) -> None:
    """Write a new endpoint, or everything about one that is there."""
    del uow
    fields = [name for name in EndpointRow.__struct_fields__ if name not in ("created_at", "updated_at")]
    places = ", ".join(f"${place}" for place in range(1, len(fields) + 1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in fields if name not in ("id", "tenant_id"))
    await query.execute(
        f"""INSERT INTO webhook_endpoints ({", ".join(fields)}) VALUES ({places})
            ON CONFLICT (id) DO UPDATE SET {changes}, updated_at = now()""",
        *(getattr(row, name) for name in fields),
    )


async def delete(uow: UnitOfWork, endpoint_id: UUID) -> None:
    """Hide an endpoint and stop its deliveries; `purge_deleted` takes both away, for they may be many."""
    del uow
    await query.execute(
        "UPDATE webhook_endpoints SET deleted_at = now(), is_enabled = false WHERE id = $1", endpoint_id
    )


async def purge_deleted(uow: UnitOfWork, limit: int) -> int:
    """Delete some of the deliveries of deleted endpoints, and endpoints that have none any more; return how many rows.

    An endpoint stays for an hour, so that whoever was about to write a delivery for it has ended.
    """
    del uow
    gone = await query.fetch_values(
        """SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
           WHERE e.deleted_at IS NOT NULL LIMIT $1 FOR UPDATE OF d SKIP LOCKED""",
        limit,
    )
    await query.execute("DELETE FROM webhook_attempts WHERE delivery_id = ANY($1)", gone)
    await query.execute("DELETE FROM webhook_deliveries WHERE id = ANY($1)", gone)
    endpoints = await query.execute(
        """DELETE FROM webhook_endpoints e WHERE deleted_at < now() - interval '1 hour'
             AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE endpoint_id = e.id)"""
    )
    return len(gone) + endpoints


async def subscribed(tenant_id: UUID, kind: str, since: datetime, *, to_all: bool) -> list[UUID]:
    """Return the endpoints that want events of that name and were there at that time.

    They are held against deletion to the end of the transaction. `to_all`: a subscription to ``*`` counts.
    """
    return await query.fetch_values(
        """SELECT id FROM webhook_endpoints WHERE tenant_id = $1 AND is_enabled AND created_at <= $3
             AND ($2 = ANY(events) OR ($4 AND '*' = ANY(events))) ORDER BY id FOR KEY SHARE""",
        tenant_id,
        kind,
        since,
        to_all,
    )


async def note_success(uow: UnitOfWork, endpoint_id: UUID) -> None:
    """Forget since when the endpoint has failed."""
    del uow
    await query.execute(
        "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL", endpoint_id
    )


async def note_failure(
    uow: UnitOfWork, endpoint_id: UUID, *, gone: bool, patience_days: float
) -> DisabledReason | None:
    """Note a failed attempt; return why the endpoint was switched off by it, if it was.

    It is when the receiver says that it is gone, or when nothing has reached it for `patience_days`.
    """
    del uow
    reason: DisabledReason | None = await query.fetch_value(
        """UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, now()),
                  is_enabled = NOT off.yes, disabled_reason = CASE WHEN off.yes THEN off.reason END,
                  updated_at = CASE WHEN off.yes THEN now() ELSE updated_at END
           FROM (SELECT id, $2 OR (failing_since < now() - $3 * interval '1 day') IS TRUE AS yes,
                        CASE WHEN $2 THEN 'gone' ELSE 'failing' END AS reason
                 FROM webhook_endpoints WHERE id = $1 AND is_enabled FOR NO KEY UPDATE) off
           WHERE webhook_endpoints.id = off.id RETURNING disabled_reason""",
        endpoint_id,
        gone,
        float(patience_days),
    )
    return reason
