"""The events that come from other systems."""

from typing import Final
from uuid import UUID

import msgspec

from db.events import EventKind


class InboundReceived(msgspec.Struct, frozen=True, kw_only=True):
    """What a source sent, as it stands; `message_id` is the source's own."""

    source_id: UUID
    message_id: str
    body: msgspec.Raw


INBOUND: Final = EventKind(name="inbound.*", version=1, payload=InboundReceived)
