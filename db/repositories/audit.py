"""Reading the audit log, and the work of the clock that chains and seals it."""

import hashlib
from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import new_id


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One act as readers see it; `metadata` is JSON text, sealed text is not shown."""

    id: UUID
    timestamp: datetime
    service_name: str
    user_id: UUID | None
    user_email: str | None
    action: str
    metadata: str
    request_id: str


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    timestamp: datetime
    tenant_id: UUID | None
    service_name: str
    user_id: UUID | None
    action: str
    metadata: str
    sealed: bytes | None
    request_id: str
    transaction_id: int


class _Seal(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    entry_count: int
    last_transaction_id: int
    last_entry_id: UUID
    previous_hash: bytes
    hash: bytes


_ENTRY = ", ".join(_Entry.__struct_fields__)
_SEAL = ", ".join(_Seal.__struct_fields__)
_NO_SEAL = _Seal(
    number=0, entry_count=0, last_transaction_id=0, last_entry_id=UUID(int=0), previous_hash=b"", hash=bytes(32)
)


async def search(
    tenant_id: UUID,
    *,
    action_prefix: str | None = None,
    user_id: UUID | None = None,
    request_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: UUID | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """Return the tenant's acts that match, newest first; `before_id` continues a page."""
    return await query.fetch(
        AuditRow,
        """SELECT a.id, a.timestamp, a.service_name, a.user_id, u.email AS user_email, a.action, a.metadata, a.request_id
           FROM audit_log a LEFT JOIN users u ON u.id = a.user_id
           WHERE a.tenant_id = $1 AND ($2::text IS NULL OR starts_with(a.action, $2)) AND ($3::uuid IS NULL OR a.user_id = $3)
             AND ($4::text IS NULL OR a.request_id = $4) AND ($5::timestamptz IS NULL OR a.timestamp >= $5)
             AND ($6::timestamptz IS NULL OR a.timestamp < $6) AND ($7::uuid IS NULL OR a.id < $7)
           ORDER BY a.id DESC LIMIT $8""",
        tenant_id,
        action_prefix,
        user_id,
        request_id,
        since,
        until,
        before_id,
        limit,
    )


async def seal_batch(uow: UnitOfWork, limit: int = 1000) -> int:
    """Seal the next entries that no running transaction can precede any more; return how many."""
    del uow  # proof that a transaction is open
    last = await _last_seal()
    entries = await _entries_after(last, limit)
    if not entries:
        return 0
    await query.execute(
        f"INSERT INTO audit_seals (id, {_SEAL}) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new_id(),
        last.number + 1,
        len(entries),
        entries[-1].transaction_id,
        entries[-1].id,
        last.hash,
        _chain(last.hash, entries),
    )
    return len(entries)


async def verify_seals() -> int | None:
    """Recompute every seal; return the number of the first one that does not fit its entries, or None when all do."""
    previous = _NO_SEAL
    for seal in await query.fetch(_Seal, f"SELECT {_SEAL} FROM audit_seals ORDER BY number"):
        entries = [
            entry
            for entry in await _entries_after(previous, seal.entry_count + 1, horizon=False)
            if (entry.transaction_id, entry.id) <= (seal.last_transaction_id, seal.last_entry_id)
        ]
        if (
            seal.number != previous.number + 1
            or seal.previous_hash != previous.hash
            or len(entries) != seal.entry_count
            or seal.hash != _chain(previous.hash, entries)
        ):
            return seal.number
        previous = seal
    return None


async def _last_seal() -> _Seal:
    row = await query.fetch_one(_Seal, f"SELECT {_SEAL} FROM audit_seals ORDER BY number DESC LIMIT 1")
    return row or _NO_SEAL


async def _entries_after(last: _Seal, limit: int, *, horizon: bool = True) -> list[_Entry]:
    settled = "AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint" if horizon else ""
    return await query.fetch(
        _Entry,
        f"""SELECT {_ENTRY} FROM audit_log WHERE (transaction_id, id) > ($1, $2) {settled}
            ORDER BY transaction_id, id LIMIT $3""",
        last.last_transaction_id,
        last.last_entry_id,
        limit,
    )


def _chain(previous_hash: bytes, entries: list[_Entry]) -> bytes:
    digest = hashlib.sha256(previous_hash)
    for entry in entries:
        digest.update(msgspec.msgpack.encode(entry))
    return digest.digest()
