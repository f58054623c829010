"""The job that delivers one message. A receiver may get it twice, and knows it by its `webhook-id`."""

import time
from typing import Final, Protocol
from uuid import UUID

from backend.jobs.attempt import Job
from backend.jobs.errors import JobStopped, PermanentFailure
from backend.notifications.errors import DeliveryFailed
from backend.notifications.fanout import Institution
from backend.notifications.jobs import DeliverArgs
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Outcome, Sender
from backend.notifications.signatures import signed_headers
from db.jobs import EndedJob
from db.repositories import webhook_deliveries as deliveries
from db.repositories import webhooks
from db.repositories.webhook_deliveries import MessageRow
from db.unit_of_work import UnitOfWork, unit_of_work

PATIENCE_DAYS: Final = 5.0
"""An endpoint that nothing has reached for so long is switched off."""

_SENTENCES: Final = {
    "gone": "The receiver says that it is gone.",
    "redirect": "The receiver points elsewhere, which is not followed.",
    "timeout": "The receiver did not answer in time.",
    "tls": "The receiver's certificate is not trusted, or its encryption failed.",
    "connection": "The receiver cannot be reached.",
    "name-unknown": "The name of the receiver does not resolve.",
    "address-refused": "The address does not lead to a server on the public internet.",
    "protocol": "The receiver does not speak HTTP.",
}


class DeliveryTools(Protocol):
    """What the work is done with."""

    @property
    def webhook_sender(self) -> Sender: ...
    @property
    def webhook_secrets(self) -> Secrets: ...


def message_id(delivery_id: UUID) -> str:
    """Return the `webhook-id` of a delivery, the same at each attempt and replay."""
    return f"msg_{delivery_id.hex}"


async def deliver(job: Job[DeliverArgs, DeliveryTools]) -> None:
    """Send the message once and write down what became of it.

    Raises:
        JobStopped: the endpoint was deleted.
        PermanentFailure: the endpoint is switched off, perhaps by this attempt.
        DeliveryFailed: the receiver has not taken it; to be tried again.
    """
    message = await deliveries.message(job.args.delivery_id)
    if message is None:
        raise JobStopped
    if message.state == "delivered":
        return
    if not message.is_enabled:
        raise PermanentFailure("webhook-disabled", "The webhook is switched off.")
    outcome = await _send(job.tools, message)
    async with unit_of_work() as uow:
        await job.attempt.fence(uow)
        await deliveries.note_attempt(
            uow, message.id, status=outcome.status, error=outcome.error, duration_ms=outcome.duration_ms
        )
        if outcome.error is None:
            await webhooks.note_success(uow, message.endpoint_id)
            await job.attempt.succeed(uow)
            return
        is_off = await _note_failure(uow, message, gone=outcome.error == "gone")
    detail = _SENTENCES.get(outcome.error, f"The receiver answered {outcome.status}.")
    if is_off:
        raise PermanentFailure("webhook-disabled", f"{detail} The webhook was switched off.")
    raise DeliveryFailed(detail, retry_after_seconds=outcome.retry_after_seconds)


async def delivery_ended(uow: UnitOfWork, _job: EndedJob, args: DeliverArgs) -> None:
    """Say on the delivery that it has failed, in the transaction that ends the job."""
    await deliveries.give_up(uow, args.delivery_id)


async def _send(tools: DeliveryTools, message: MessageRow) -> Outcome:
    secrets = tools.webhook_secrets.opened(
        message.endpoint_id, message.secret, message.previous_secret, message.previous_until
    )
    body = message.body.encode()
    headers = signed_headers(secrets, message_id(message.id), int(time.time()), body)
    return await tools.webhook_sender.send(message.url, headers, body)


async def _note_failure(uow: UnitOfWork, message: MessageRow, *, gone: bool) -> bool:
    reason = await webhooks.note_failure(uow, message.endpoint_id, gone=gone, patience_days=PATIENCE_DAYS)
    if reason is None:
        return False
    about = {"webhook_id": str(message.endpoint_id), "reason": reason, "delivery_id": str(message.id)}
    await uow.audit(Institution(message.tenant_id), "webhook.disabled", about)
    return True
