"""Idempotency keys: the first answer to a creating request, given again to its repetitions.

What the request does is noted with its key in the transaction of the act (`db.unit_of_work`). A key without an answer after
its time belongs to a process that died: with an act, repetitions are told what was done; without one, the next request
takes the key over.
"""

from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.acts import Act
from ops.runtime.ids import new_id

RETENTION_HOURS = 24
TAKEOVER_MINUTES = 5
ANSWER_SECONDS = 30
"""How long after its begin a request whose act is done may still be on the way to its answer."""


_ACTS = msgspec.json.Decoder(list[Act])


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered the first time; `headers` is JSON text."""

    status: int
    headers: str
    body: bytes

    @property
    def location(self) -> str | None:
        """The address the answer named, if it named one."""
        return msgspec.json.decode(self.headers, type=dict[str, str]).get("location")


class CarriedOut(msgspec.Struct, frozen=True, kw_only=True):
    """The request did this, and its answer was lost."""

    acts: list[Act]


class _Existing(msgspec.Struct, frozen=True, kw_only=True):
    body_hash: bytes
    act: str | None
    is_late: bool
    status: int | None
    headers: str | None
    body: bytes | None


Begun = Literal["begun", "running", "other-body"]


async def begin(key: str, user_id: UUID, route: str, body_hash: bytes) -> Begun | StoredAnswer | CarriedOut:
    """Take the key for this request, or say what stands in the way: what was answered or at least done, a running twin, or
    another body.
    """
    taken = await query.fetch_value(
        f"""INSERT INTO idempotency_keys (id, user_id, key, route, body_hash) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (user_id, route, key) DO UPDATE SET body_hash = excluded.body_hash, created_at = now(), status = NULL,
                headers = NULL, body = NULL, act = NULL
            WHERE idempotency_keys.created_at < now() - interval '{RETENTION_HOURS} hours'
               OR (idempotency_keys.status IS NULL AND idempotency_keys.act IS NULL
                   AND idempotency_keys.body_hash = excluded.body_hash
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
        f"""SELECT body_hash, status, headers, body, act, created_at < now() - interval '{ANSWER_SECONDS} seconds' AS is_late
            FROM idempotency_keys WHERE user_id = $1 AND route = $2 AND key = $3""",
        user_id,
        route,
        key,
    )
    if row is None:
        return await begin(key, user_id, route, body_hash)
    if row.body_hash != body_hash:
        return "other-body"
    if row.status is None:
        return CarriedOut(acts=_ACTS.decode(row.act)) if row.act and row.is_late else "running"
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


async def forget(key: str, user_id: UUID, route: str, *, even_if_done: bool) -> None:
    """Free a key whose request failed, so that it can be tried again; one that did something only with `even_if_done`."""
    await query.execute(
        """DELETE FROM idempotency_keys WHERE user_id = $1 AND route = $2 AND key = $3 AND status IS NULL
           AND ($4 OR act IS NULL)""",
        user_id,
        route,
        key,
        even_if_done,
    )


async def purge() -> int:
    """Delete keys beyond their 24 hours."""
    return await query.execute(
        f"DELETE FROM idempotency_keys WHERE created_at < now() - interval '{RETENTION_HOURS} hours'"
    )
