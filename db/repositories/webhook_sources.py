"""Systems elsewhere that tell us, and which of their messages were taken."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import new_id


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source; the secrets are sealed."""

    id: UUID
    tenant_id: UUID
    name: str
    description: str
    secret: bytes
    previous_secret: bytes | None
    previous_until: datetime | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    received_at: datetime | None


COLUMNS = ", ".join(SourceRow.__struct_fields__)


async def page(tenant_id: UUID, after_id: UUID | None, limit: int) -> list[SourceRow]:
    """Return the tenant's sources, oldest first."""
    return await query.fetch(
        SourceRow,
        f"""SELECT {COLUMNS} FROM webhook_sources WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2)
            ORDER BY id LIMIT $3""",
        tenant_id,
        after_id,
        limit,
    )


async def get(source_id: UUID, tenant_id: UUID, *, lock: bool = False) -> SourceRow | None:
    """Return a source of the tenant; with `lock` nobody else changes it before the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM webhook_sources WHERE id = $1 AND tenant_id = $2 {'FOR UPDATE' if lock else ''}"
    return await query.fetch_one(SourceRow, sql, source_id, tenant_id)


async def any_tenants(source_id: UUID) -> SourceRow | None:
    """Return a source, for the check of a message that names it and no tenant."""
    return await query.fetch_one(SourceRow, f"SELECT {COLUMNS} FROM webhook_sources WHERE id = $1", source_id)


async def add(uow: UnitOfWork, row: SourceRow) -> None:
    """Write a new source.

    Raises:
        UniqueViolation: the tenant has another one of that name.
    """
    del uow
    await query.execute(
        """INSERT INTO webhook_sources (id, tenant_id, name, description, secret, created_by)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        row.id,
        row.tenant_id,
        row.name,
        row.description,
        row.secret,
        row.created_by,
    )


async def set_secret(uow: UnitOfWork, source_id: UUID, secret: bytes, previous_hours: float) -> None:
    """Replace the secret; the one before stays good for that many hours."""
    del uow
    await query.execute(
        """UPDATE webhook_sources SET secret = $2, previous_secret = secret, updated_at = now(),
                  previous_until = now() + $3 * interval '1 hour' WHERE id = $1""",
        source_id,
        secret,
        float(previous_hours),
    )


async def delete(uow: UnitOfWork, source_id: UUID) -> None:
    """Delete a source; the events it sent stay."""
    del uow
    await query.execute("DELETE FROM webhook_receipts WHERE source_id = $1", source_id)
    await query.execute("DELETE FROM webhook_sources WHERE id = $1", source_id)


async def receive(uow: UnitOfWork, source_id: UUID, message_id: str) -> bool:
    """Take a message; False when it was taken before. Whoever comes second waits for the first one's end."""
    del uow
    taken = await query.execute(
        """INSERT INTO webhook_receipts (id, source_id, message_id) VALUES ($1, $2, $3)
           ON CONFLICT (source_id, message_id) DO NOTHING""",
        new_id(),
        source_id,
        message_id,
    )
    if taken:
        await query.execute("UPDATE webhook_sources SET received_at = now() WHERE id = $1", source_id)
    return bool(taken)


async def purge_receipts(uow: UnitOfWork, days: float, limit: int) -> int:
    """Forget messages taken more than `days` ago; return how many."""
    del uow
    return await query.execute(
        """DELETE FROM webhook_receipts WHERE id IN (
               SELECT id FROM webhook_receipts WHERE received_at < now() - $1 * interval '1 day' ORDER BY id LIMIT $2)""",
        float(days),
        limit,
    )
