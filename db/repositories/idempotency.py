"""Idempotency keys: the first answer to a creating request, given again to its repetitions.

A key that is still running after five minutes belongs to a process that died; the next request takes it over.
"""

from typing import Literal
from uuid import UUID

import msgspec

from db import query
from ops.runtime.ids import new_id

RETENTION_HOURS = 24
TAKEOVER_MINUTES = 5


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered the first time; `headers` is JSON text."""

    status: int
    headers: str
    body: bytes


class _Existing(msgspec.Struct, frozen=True, kw_only=True):
    body_hash: bytes
    status: int | None
    headers: str | None
    body: bytes | None


Begun = Literal["begun", "running", "other-body"]


async def begin(key: str, user_id: UUID, route: str, body_hash: bytes) -> Begun | StoredAnswer:
    """Take the key for this request, or say what stands in the way: the stored answer, a running twin, or another body."""
    taken = await query.fetch_value(
        f"""INSERT INTO idempotency_keys (id, user_id, key, route, body_hash) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (user_id, route, key) DO UPDATE SET body_hash = excluded.body_hash, created_at = now(), status = NULL,
                headers = NULL, body = NULL
            WHERE idempotency_keys.created_at < now() - interval '{RETENTION_HOURS} hours'
               OR (idempotency_keys.status IS NULL AND idempotency_keys.body_hash = excluded.body_hash
                   AND idempotency_keys.created_at < now() - interval '{TAKEOVER_MINUTES} minutes')
            RETURNING id""",
        new_id(),
        user_id,
        key,
        route,
        body_hash,
    )
    if taken is not None:
        return "begun"
    row = await query.fetch_one(
        _Existing,
        "SELECT body_hash, status, headers, body FROM idempotency_keys WHERE user_id = $1 AND route = $2 AND key = $3",
        user_id,
        route,
        key,
    )
    if row is None:
        return await begin(key, user_id, route, body_hash)
    if row.body_hash != body_hash:
        return "other-body"
    if row.status is None:
        return "running"
    return StoredAnswer(status=row.status, headers=row.headers or "{}", body=row.body or b"")


async def finish(key: str, user_id: UUID, route: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Store the answer."""
    await query.execute(
        "UPDATE idempotency_keys SET status = $4, headers = $5, body = $6 WHERE user_id = $1 AND route = $2 AND key = $3",
        user_id,
        route,
        key,
        status,
        query.to_json(headers),
        body,
    )


async def forget(key: str, user_id: UUID, route: str) -> None:
    """Free a key whose request failed without effect, so that it can be tried again."""
    await query.execute(
        "DELETE FROM idempotency_keys WHERE user_id = $1 AND route = $2 AND key = $3 AND status IS NULL",
        user_id,
        route,
        key,
    )


async def purge() -> int:
    """Delete keys beyond their 24 hours."""
    return await query.execute(
        f"DELETE FROM idempotency_keys WHERE created_at < now() - interval '{RETENTION_HOURS} hours'"
    )
