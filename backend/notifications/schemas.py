"""Webhooks and events as the API gives and takes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from db.repositories.webhook_deliveries import AttemptRow, DeliveryState
from db.repositories.webhooks import DisabledReason

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
EventName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
EventNames = Annotated[list[EventName], msgspec.Meta(min_length=1, max_length=50)]
Description = Annotated[str, msgspec.Meta(max_length=500)]
SourceName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$(?!\\n)")]
Secret = Annotated[str, msgspec.Meta(min_length=38, max_length=94, pattern="^whsec_[A-Za-z0-9+/]+=*$(?!\\n)")]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint to make: who is told of which events. ``*`` is every event but those that other systems sent."""

    url: Url
    events: EventNames
    description: Description = ""


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of an endpoint; switching it on forgets that it failed."""

    url: Url | UnsetType = UNSET
    events: EventNames | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint. `previous_until`: until then messages are signed with the secret before as well."""

    id: UUID
    url: str
    events: Sequence[str]
    description: str
    is_enabled: bool
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    previous_until: datetime | None
    created_at: datetime
    updated_at: datetime


class CreatedWebhook(WebhookView, frozen=True, kw_only=True):
    """A new endpoint with its secret, which is shown here alone."""

    secret: str


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, which is shown here alone; the one before is good until `previous_until`."""

    secret: str
    previous_until: datetime | None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A message to an endpoint with its attempts, newest first, and what was or will be sent."""

    id: UUID
    event_id: UUID | None
    kind: str
    state: DeliveryState
    body: msgspec.Raw
    attempts: Sequence[AttemptRow]
    job_id: UUID | None
    created_at: datetime
    ended_at: datetime | None


class ReplayFailed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when on failed messages are to be sent again."""

    since: Annotated[datetime, msgspec.Meta(tz=True)]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many begin anew; `more` tells that there are others left."""

    count: int
    more: bool = False


class NewSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source to make. What it sends becomes events `inbound.<name>`. `secret`: one that the other system has made."""

    name: SourceName
    description: Description = ""
    secret: Secret | None = None


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """A source; it sends to `address`."""

    id: UUID
    name: str
    description: str
    address: str
    previous_until: datetime | None
    received_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CreatedSource(SourceView, frozen=True, kw_only=True):
    """A new source with its secret, which is shown here alone."""

    secret: str


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """That a message was taken; `repeated`: it had been before, and nothing more was done."""

    repeated: bool


class EventKindView(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of event and the fields of its `data`; a name that ends in ``.*`` stands for a family."""

    name: str
    version: int
    fields: Sequence[str]


class ReplayDead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose given-up events are to be tried again; without a consumer all."""

    consumer: Annotated[str, msgspec.Meta(max_length=100)] | None = None
