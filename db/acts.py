"""The idempotency key that the request at hand has taken: what the request does is noted with it, in the act's own transaction."""

from contextvars import ContextVar
from typing import Any
from uuid import UUID

import msgspec


class TakenKey(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `idempotency_keys` that waits for its answer."""

    user_id: UUID
    route: str
    key: str


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, as its audit row says it: ids and names of things, never what a person wrote."""

    action: str
    metadata: dict[str, Any]


taken_key: ContextVar[TakenKey | None] = ContextVar("taken_key", default=None)
