"""What endpoints were told, and telling them again."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.notifications.endpoints import READ, WRITE, found_endpoint
from backend.notifications.errors import DeliveryNotFound, DeliveryRunning, WebhookDisabled
from backend.notifications.fanout import Message, start
from backend.notifications.schemas import DeliveryView, Replayed
from db.repositories import webhook_deliveries as rows
from db.repositories.webhook_deliveries import DeliveryRow, DeliveryState
from db.repositories.webhooks import EndpointRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id

REPLAYED_AT_ONCE: Final = 500
PING: Final = "ping"


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def list_deliveries(
    subject: Subject, endpoint_id: UUID, *, state: DeliveryState | None, cursor: str | None, limit: int
) -> Page[DeliveryRow]:
    """Return an endpoint's deliveries, newest first.

    Raises:
        PermissionMissing, WebhookNotFound
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    before = decode_cursor(cursor, _After)
    await found_endpoint(subject, endpoint_id)
    found = await rows.page(endpoint_id, state, before.id if before else None, limit + 1)
    return page_of(found, limit, lambda row: _After(row.id))


async def get_delivery(subject: Subject, endpoint_id: UUID, delivery_id: UUID) -> DeliveryView:
    """Return one delivery with its attempts and its message.

    Raises:
        PermissionMissing, WebhookNotFound, DeliveryNotFound
    """
    subject.require(READ)
    await found_endpoint(subject, endpoint_id)
    row = await _found(endpoint_id, delivery_id)
    message = await rows.message(delivery_id)
    return DeliveryView(
        id=row.id,
        event_id=row.event_id,
        kind=row.kind,
        state=row.state,
        body=msgspec.Raw(message.body.encode() if message else b"null"),
        attempts=await rows.attempts(delivery_id),
        job_id=row.job_id,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


async def ping(subject: Subject, endpoint_id: UUID) -> DeliveryRow:
    """Send the endpoint a message of type `ping`, whatever it subscribes to.

    Raises:
        PermissionMissing, WebhookNotFound. WebhookDisabled
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        await _enabled(subject, endpoint_id)
        message = Message(type=PING, id=new_id(), version=1, timestamp=datetime.now(UTC), data=msgspec.Raw(b"{}"))
        body = msgspec.json.encode(message).decode()
        delivery_id = await rows.add(uow, subject.tenant_id, endpoint_id, None, PING, body)
        assert delivery_id is not None
        await start(uow, subject.tenant_id, endpoint_id, delivery_id)
        await uow.audit(subject, "webhook.pinged", _about(endpoint_id, delivery_id))
    return await _found(endpoint_id, delivery_id)


async def replay(subject: Subject, endpoint_id: UUID, delivery_id: UUID) -> DeliveryRow:
    """Send a message again, delivered or not, with the same `webhook-id`.

    Raises:
        PermissionMissing, WebhookNotFound, DeliveryNotFound. WebhookDisabled. DeliveryRunning: it is not over
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        await _enabled(subject, endpoint_id)
        await _found(endpoint_id, delivery_id)
        if not await rows.reopen(uow, delivery_id):
            raise DeliveryRunning
        await start(uow, subject.tenant_id, endpoint_id, delivery_id)
        await uow.audit(subject, "webhook.delivery_replayed", _about(endpoint_id, delivery_id))
    return await _found(endpoint_id, delivery_id)


async def replay_failed(subject: Subject, endpoint_id: UUID, since: datetime) -> Replayed:
    """Send every message again that was made since then and has failed, 500 at a time, the oldest first.

    Raises:
        PermissionMissing, WebhookNotFound. WebhookDisabled
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        await _enabled(subject, endpoint_id)
        again = await rows.reopen_failed(uow, endpoint_id, since, REPLAYED_AT_ONCE)
        for delivery_id in sorted(again):
            await start(uow, subject.tenant_id, endpoint_id, delivery_id)
        about = {"webhook_id": str(endpoint_id), "since": since.isoformat(), "count": len(again)}
        await uow.audit(subject, "webhook.failed_replayed", about)
    return Replayed(count=len(again), more=len(again) == REPLAYED_AT_ONCE)


async def _enabled(subject: Subject, endpoint_id: UUID) -> EndpointRow:
    row = await found_endpoint(subject, endpoint_id, lock=True)
    if not row.is_enabled:
        raise WebhookDisabled
    return row


async def _found(endpoint_id: UUID, delivery_id: UUID) -> DeliveryRow:
    row = await rows.get(endpoint_id, delivery_id)
    if row is None:
        raise DeliveryNotFound
    return row


def _about(endpoint_id: UUID, delivery_id: UUID) -> dict[str, str]:
    return {"webhook_id": str(endpoint_id), "delivery_id": str(delivery_id)}
