"""Reading the audit log, and the work of the clock that chains and seals it."""

import hashlib
from collections.abc import AsyncIterator, Sequence
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
    entry_digests: bytes | None


class SealCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A seal compared with the entries it covers; `fault` says what does not fit, and is empty when all does."""

    number: int
    entry_count: int
    hash: bytes
    fault: str


class SealTotals(msgspec.Struct, frozen=True, kw_only=True):
    """How many seals there are, the entries they cover, and all entries of all tenants."""

    seals: int
    sealed_entries: int
    entries: int


_ENTRY = ", ".join(_Entry.__struct_fields__)
_SEAL = ", ".join(_Seal.__struct_fields__)
_NO_SEAL = _Seal(
    number=0,
    entry_count=0,
    last_transaction_id=0,
    last_entry_id=UUID(int=0),
    previous_hash=b"",
    hash=bytes(32),
    entry_digests=b"",
)
DIGEST_BYTES = 8


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
        f"INSERT INTO audit_seals (id, {_SEAL}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new_id(),
        last.number + 1,
        len(entries),
        entries[-1].transaction_id,
        entries[-1].id,
        last.hash,
        _chain(last.hash, entries),
        b"".join(_digests(entries)),
    )
    return len(entries)


async def seal_totals() -> SealTotals:
    """Return the counts; entries that are not sealed yet are those of the last seconds."""
    totals = await query.fetch_one(
        SealTotals,
        """SELECT count(*) AS seals, coalesce(sum(entry_count), 0)::bigint AS sealed_entries,
                  (SELECT count(*) FROM audit_log) AS entries FROM audit_seals""",
    )
    assert totals is not None
    return totals


async def check_seals() -> AsyncIterator[SealCheck]:
    """Recompute one seal after the other up to the first that does not fit its entries."""
    previous, fault = _NO_SEAL, ""
    while not fault:
        seal = await query.fetch_one(
            _Seal, f"SELECT {_SEAL} FROM audit_seals WHERE number > $1 ORDER BY number LIMIT 1", previous.number
        )
        if seal is None:
            return
        fault = await _fault(previous, seal)
        yield SealCheck(number=seal.number, entry_count=seal.entry_count, hash=seal.hash, fault=fault)
        previous = seal


async def verify_seals() -> int | None:
    """Return the number of the first seal that does not fit its entries, or None when all do."""
    return next((check.number for check in [each async for each in check_seals()] if check.fault), None)


async def _fault(previous: _Seal, seal: _Seal) -> str:
    if seal.number != previous.number + 1:
        return f"seal {previous.number + 1} is missing"
    if seal.previous_hash != previous.hash:
        return "it does not continue the seal before it"
    entries = [
        entry
        for entry in await _entries_after(previous, seal.entry_count + 1, horizon=False)
        if (entry.transaction_id, entry.id) <= (seal.last_transaction_id, seal.last_entry_id)
    ]
    if len(entries) == seal.entry_count and seal.hash == _chain(previous.hash, entries):
        return ""
    return _first_broken(seal, entries)


def _first_broken(seal: _Seal, entries: Sequence[_Entry]) -> str:
    """Say which entry it is; the log in its order and the digests in theirs part there."""
    if seal.entry_digests is None:
        return f"one of its {seal.entry_count} entries up to {seal.last_entry_id} was changed, added or removed"
    joined = seal.entry_digests
    sealed = [joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES)]
    for found, expected, entry in zip(_digests(entries), sealed, entries, strict=False):
        if found in sealed and found != expected:
            return (
                f"an entry is missing before entry {entry.id} ({entry.action}, {entry.timestamp:%Y-%m-%d %H:%M:%S} UTC)"
            )
        if found != expected:
            return f"entry {entry.id} ({entry.action}, {entry.timestamp:%Y-%m-%d %H:%M:%S} UTC) was changed or added"
    if len(entries) < len(sealed):
        return f"{len(sealed) - len(entries)} entries are missing up to entry {seal.last_entry_id}"
    if len(entries) > len(sealed):
        return f"entry {entries[len(sealed)].id} was added"
    return "the seal itself was changed"


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


def _digests(entries: Sequence[_Entry]) -> list[bytes]:
    return [hashlib.blake2b(msgspec.msgpack.encode(entry), digest_size=DIGEST_BYTES).digest() for entry in entries]


def _chain(previous_hash: bytes, entries: Sequence[_Entry]) -> bytes:
    digest = hashlib.sha256(previous_hash)
    for entry in entries:
        digest.update(msgspec.msgpack.encode(entry))
    return digest.digest()
