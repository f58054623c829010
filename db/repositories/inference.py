"""The gateway's records: one row per request, what was used by whom, and what is past its time."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, get_args, get_type_hints
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork

KEPT_DAYS: Final = 400
"""Thirteen months: a month can be compared with the same one a year before."""
TEXT_KEPT_DAYS: Final = 30


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request; seconds are null for what was never reached. `text_sealed` only where the tenant consents."""

    id: UUID
    tenant_id: UUID | None
    user_id: UUID | None
    course_id: UUID | None
    request_id: str
    purpose: str
    asked_model: str
    model: str
    model_hash: str
    adapter_id: str
    upstream: str
    degraded: bool
    cache_hit: bool
    finish_reason: str | None
    error_code: str
    prompt_tokens: int
    completion_tokens: int
    queue_seconds: float | None
    first_token_seconds: float | None
    total_seconds: float
    cost: Decimal | None
    temperature: float
    seed: int | None
    prompt_sha256: str
    text_sealed: bytes | None = None
    finished_at: datetime


_FIELDS: Final = LogRow.__struct_fields__
_COLUMNS: Final = ", ".join(_FIELDS)
_SQL_TYPES: Final = {
    UUID: "uuid",
    str: "text",
    bool: "boolean",
    int: "bigint",
    float: "float8",
    Decimal: "numeric",
    bytes: "bytea",
    datetime: "timestamptz",
}
_ARRAYS: Final = ", ".join(
    f"${place}::{_SQL_TYPES[(get_args(kind) or (kind,))[0]]}[]"
    for place, kind in enumerate(get_type_hints(LogRow).values(), 1)
)


async def add_logs(uow: UnitOfWork, rows: Sequence[LogRow]) -> None:
    """Write requests; one that was written before, by a flush whose answer was lost, is left as it is."""
    del uow
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
    await query.execute(
        f"INSERT INTO inference_logs ({_COLUMNS}) SELECT * FROM unnest({_ARRAYS}) ON CONFLICT (id) DO NOTHING", *columns
    )


async def find_log(log_id: UUID) -> LogRow | None:
    """Return one request."""
    return await query.fetch_one(LogRow, f"SELECT {_COLUMNS} FROM inference_logs WHERE id = $1", log_id)


async def logs_of_request(request_id: str, limit: int = 20) -> list[LogRow]:
    """Return what one request to the api asked of the gateway, the first first."""
    return await query.fetch(
        LogRow,
        f"SELECT {_COLUMNS} FROM inference_logs WHERE request_id = $1 AND request_id <> '' ORDER BY id LIMIT $2",
        request_id,
        limit,
    )


async def purge_logs(uow: UnitOfWork, limit: int = 5000) -> int:
    """Delete records that are older than thirteen months; return how many."""
    del uow
    return await query.execute(
        """DELETE FROM inference_logs WHERE id IN (
               SELECT id FROM inference_logs WHERE finished_at < now() - $1 * interval '1 day' LIMIT $2)""",
        float(KEPT_DAYS),
        limit,
    )


async def purge_texts(uow: UnitOfWork, limit: int = 1000) -> int:
    """Forget texts that are older than 30 days, or whose tenant consents no more; return how many."""
    del uow
    return await query.execute(
        """UPDATE inference_logs SET text_sealed = NULL WHERE id IN (
               SELECT l.id FROM inference_logs l
               WHERE l.text_sealed IS NOT NULL
                 AND (l.finished_at < now() - $1 * interval '1 day'
                      OR NOT EXISTS (SELECT FROM inference_policies p
                                     WHERE p.tenant_id = l.tenant_id AND p.consented_at <= l.finished_at))
               LIMIT $2)""",
        float(TEXT_KEPT_DAYS),
        limit,
    )
