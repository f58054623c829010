"""Webhooks in: a message from elsewhere becomes an event, once."""

from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from backend.errors import MalformedBody, ValidationFailed
from backend.kit.pointers import unstorable
from backend.notifications.errors import SignatureRefused, SourceNotFound
from backend.notifications.events import INBOUND, InboundReceived
from backend.notifications.fanout import Institution
from backend.notifications.schemas import Received
from backend.notifications.sealing import Secrets
from backend.notifications.signatures import SignatureInvalid, SignatureLate, verify
from db.repositories import webhook_sources as rows
from db.repositories.webhook_sources import SourceRow
from db.unit_of_work import unit_of_work

MAX_BODY_BYTES: Final = 64 * 1024
MAX_ID_CHARACTERS: Final = 255


class Signed(NamedTuple):
    """A message as it came: the three headers of Standard Webhooks, and the body."""

    message_id: str
    timestamp: str
    signature: str
    body: bytes


async def receive(secrets: Secrets, source_id: UUID, message: Signed) -> Received:
    """Take a message of a source and emit `inbound.<name>`; a repetition does nothing more.

    Raises:
        SourceNotFound. SignatureRefused: wrong, or older than five minutes
        MalformedBody, ValidationFailed: rightly signed, and no JSON that can be stored.
    """
    source = await rows.any_tenants(source_id)
    if source is None:
        raise SourceNotFound
    if (refusal := _refusal(secrets, source, message)) is not None:
        await _audit_refusal(source)
        raise SignatureRefused(refusal)
    _check_json(message.body)
    whose = Institution(source.tenant_id)
    async with unit_of_work() as uow:
        if not await rows.receive(uow, source.id, message.message_id):
            return Received(repeated=True)
        received = InboundReceived(source_id=source.id, message_id=message.message_id, body=msgspec.Raw(message.body))
        event_id = await uow.emit(INBOUND, received, subject=whose, subject_id=source.id, member=source.name)
        await uow.audit(whose, "webhook_source.received", {"source_id": str(source.id), "event_id": str(event_id)})
    return Received(repeated=False)


def _refusal(secrets: Secrets, source: SourceRow, message: Signed) -> str | None:
    good = secrets.opened(source.id, source.secret, source.previous_secret, source.previous_until)
    try:
        verify(good, message.message_id, message.timestamp, message.signature, message.body)
    except SignatureLate:
        return "The message was signed more than five minutes ago, or in the future."
    except SignatureInvalid:
        return "The message is not signed with this source's secret."
    if not 0 < len(message.message_id) <= MAX_ID_CHARACTERS or not message.message_id.isprintable():
        return "The message has no usable id."
    return None


async def _audit_refusal(source: SourceRow) -> None:
    """Write down that somebody who knows the source does not know its secret."""
    async with unit_of_work() as uow:
        await uow.audit(None, "webhook_source.refused", {"source_id": str(source.id)}, tenant_id=source.tenant_id)


def _check_json(body: bytes) -> None:
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody("The message is not JSON.") from error
    if wrong := unstorable(decoded):
        raise ValidationFailed("The message holds what cannot be stored.", errors=wrong)
