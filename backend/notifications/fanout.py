"""The webhooks' effect of an event: a delivery, and the job that does it, for each endpoint that wants to know."""

from datetime import datetime
from uuid import UUID

import msgspec

from backend.jobs.events import JOB_DEAD
from backend.notifications.events import INBOUND
from backend.notifications.jobs import DELIVER, DeliverArgs
from db.events import StoredEvent
from db.repositories import webhook_deliveries as deliveries
from db.repositories import webhooks
from db.unit_of_work import UnitOfWork


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook: `id` is the event's, the same for all who are told of it."""

    type: str
    id: UUID
    version: int
    timestamp: datetime
    data: msgspec.Raw


class Institution(msgspec.Struct, frozen=True):
    """Whose a delivery is: nobody's in particular, so that no person's jobs fill with them."""

    tenant_id: UUID
    user_id: UUID | None = None


async def fan_out(uow: UnitOfWork, event: StoredEvent) -> None:
    """Write a delivery for each endpoint of the tenant that subscribes to the event."""
    if _is_of_a_delivery(event):
        return
    inbound = event.kind.startswith(INBOUND.name.removesuffix("*"))
    endpoints = await webhooks.subscribed(event.tenant_id, event.kind, event.created_at, to_all=not inbound)
    body = message_body(event) if endpoints else ""
    for endpoint_id in endpoints:
        delivery_id = await deliveries.add(uow, event.tenant_id, endpoint_id, event.id, event.kind, body)
        if delivery_id is not None:
            await start(uow, event.tenant_id, endpoint_id, delivery_id)


async def start(uow: UnitOfWork, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> None:
    """Have the delivery done by a job."""
    args = DeliverArgs(delivery_id=delivery_id, endpoint_id=endpoint_id)
    job_id = await uow.enqueue(DELIVER, args, subject=Institution(tenant_id), subject_id=endpoint_id)
    await deliveries.set_job(uow, delivery_id, job_id)


def message_body(event: StoredEvent) -> str:
    """Return the text that is signed and sent."""
    message = Message(
        type=event.kind,
        id=event.id,
        version=event.version,
        timestamp=event.created_at,
        data=msgspec.Raw(event.payload.encode()),
    )
    return msgspec.json.encode(message).decode()


def _is_of_a_delivery(event: StoredEvent) -> bool:
    """Whether it tells of a delivery that failed: to deliver that would fail again, and so on without end."""
    return event.kind == JOB_DEAD.name and event.decode(JOB_DEAD).kind == DELIVER.name
