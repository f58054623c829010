"""What a domain event is: its kind, declared once in a domain's ``events.py``, and the stored event that consumers get.

An event is a row of `outbox`, written in the transaction of the act that it tells of: no act, no event, and the reverse.
A payload holds ids, counts and words of the program, never text that a person wrote.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from db import query
from ops.runtime.context import request_id
from ops.runtime.ids import new_id
from ops.runtime.telemetry import inject_traceparent

Payload = TypeVar("Payload", bound=msgspec.Struct)

FAMILY = ".*"
MEMBER = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

_NAME = re.compile(r"[a-z][a-z_]*\.([a-z][a-z_]*|\*)")
_kinds: "dict[str, EventKind[Any]]" = {}


class Owner(Protocol):
    """Whose act an event tells of."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def user_id(self) -> UUID | None: ...


class EventKind(msgspec.Struct, Generic[Payload], frozen=True, kw_only=True):
    """A kind of event. `version` grows when a field of the payload goes or changes its meaning.

    A name that ends in ``.*`` stands for a family: the rest of an event's name is given when it is emitted.
    """

    name: str
    version: int
    payload: type[Payload]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.version < 1:
            raise ValueError(f"event kind {self.name!r}: a name is noun.past_participle, a version at least 1")
        if self.name in _kinds:
            raise ValueError(f"the event kind {self.name} is declared twice")
        _kinds[self.name] = self

    def named(self, member: str) -> str:
        """Return the name of an event; a family's needs its `member`.

        Raises:
            ValueError: the member is missing, surplus, or not a name.
        """
        if not self.name.endswith(FAMILY):
            if member:
                raise ValueError(f"{self.name} is no family")
            return self.name
        if not MEMBER.fullmatch(member):
            raise ValueError(f"{member!r} cannot be a member of {self.name}")
        return self.name.removesuffix("*") + member


def event_kinds() -> "list[EventKind[Any]]":
    """Return every kind this process has loaded, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def is_event(name: str) -> bool:
    """Tell whether some loaded kind has events of that name."""
    if name in _kinds:
        return not name.endswith(FAMILY)
    domain, _, member = name.partition(".")
    return domain + FAMILY in _kinds and MEMBER.fullmatch(member) is not None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as consumers get it; `payload` is JSON text, `position` its place in the order of all events."""

    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    kind: str
    version: int
    payload: str
    subject_id: UUID | None
    request_id: str
    traceparent: str
    created_at: datetime
    position: int

    def decode(self, kind: EventKind[Payload]) -> Payload:
        """Return the payload; raises `msgspec.MsgspecError` when it is of another version of the program."""
        return msgspec.json.decode(self.payload, type=kind.payload)


async def insert_events(
    kind: EventKind[Payload], payloads: Sequence[Payload], owner: Owner, *, subject_id: UUID | None, member: str
) -> list[UUID]:
    """Write an event for each payload and return their ids.

    Raises:
        TypeError: a payload is not what the kind declares.
    """
    if wrong := [payload for payload in payloads if type(payload) is not kind.payload]:
        raise TypeError(f"{kind.name} carries {kind.payload.__name__}, not {type(wrong[0]).__name__}")
    name, ids = kind.named(member), [new_id() for _ in payloads]
    act = (owner.tenant_id, owner.user_id, name, kind.version, subject_id, request_id.get(), inject_traceparent())
    await query.execute_many(
        """INSERT INTO outbox (id, payload, tenant_id, user_id, kind, version, subject_id, request_id, traceparent, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())""",
        [(event_id, query.to_json(payload), *act) for event_id, payload in zip(ids, payloads, strict=True)],
    )
    return ids
