"""Webhooks out: endpoints and what they were told."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_202_ACCEPTED

from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page
from backend.notifications import deliveries, endpoints
from backend.notifications.endpoints import READ, WRITE
from backend.notifications.schemas import (
    CreatedWebhook,
    DeliveryView,
    NewSecret,
    NewWebhook,
    Replayed,
    ReplayFailed,
    WebhookChange,
    WebhookView,
)
from db.repositories.webhook_deliveries import DeliveryRow, DeliveryState

AnyRequest = Request[Any, Any, Any]
StateFilter = Annotated[DeliveryState | None, QueryParameter(name="state")]


class WebhookController(Controller):
    path = "/api/v1/webhooks"
    tags = ("webhooks",)

    @get(opt=permission(READ))
    async def list_webhooks(
        self, subject: CurrentSubject, cursor: PageCursor = None, limit: PageLimit = DEFAULT_LIMIT
    ) -> Page[WebhookView]:
        """The institution's webhooks."""
        return await endpoints.list_webhooks(subject, cursor=cursor, limit=limit)

    @post(opt=permission(WRITE, stores_answer=False), status_code=HTTP_201_CREATED)
    async def create_webhook(
        self, subject: CurrentSubject, data: JSONBody[NewWebhook], request: AnyRequest
    ) -> CreatedWebhook:
        """Have a server told of events; its secret is shown now and never again.

        Messages are signed as Standard Webhooks asks for it (`webhook-id`, `webhook-timestamp`, `webhook-signature`).
        """
        state = request.app.state
        return await endpoints.create_webhook(subject, state.webhook_sender, state.webhook_secrets, data)

    @get("/{webhook_id:uuid}", opt=permission(READ))
    async def get_webhook(self, subject: CurrentSubject, webhook_id: FromPath[UUID]) -> WebhookView:
        """One webhook."""
        return await endpoints.get_webhook(subject, webhook_id)

    @patch("/{webhook_id:uuid}", opt=permission(WRITE))
    async def change_webhook(
        self, subject: CurrentSubject, webhook_id: FromPath[UUID], data: JSONBody[WebhookChange], request: AnyRequest
    ) -> WebhookView:
        """Change a webhook, or switch it off or on; what is left out stays."""
        return await endpoints.change_webhook(subject, request.app.state.webhook_sender, webhook_id, data)

    @delete("/{webhook_id:uuid}", opt=permission(WRITE))
    async def delete_webhook(self, subject: CurrentSubject, webhook_id: FromPath[UUID]) -> None:
        """Delete a webhook and the log of its deliveries."""
        await endpoints.delete_webhook(subject, webhook_id)

    @post("/{webhook_id:uuid}/secret", opt=permission(WRITE, stores_answer=False), status_code=HTTP_201_CREATED)
    async def rotate_webhook_secret(
        self, subject: CurrentSubject, webhook_id: FromPath[UUID], request: AnyRequest
    ) -> NewSecret:
        """Replace the secret; for 24 hours messages carry a signature with the old one too."""
        return await endpoints.rotate_secret(subject, request.app.state.webhook_secrets, webhook_id)

    @post("/{webhook_id:uuid}/ping", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def ping_webhook(self, subject: CurrentSubject, webhook_id: FromPath[UUID]) -> DeliveryRow:
        """Send a message of type `ping`."""
        return await deliveries.ping(subject, webhook_id)

    @post("/{webhook_id:uuid}/replay", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def replay_failed(
        self, subject: CurrentSubject, webhook_id: FromPath[UUID], data: JSONBody[ReplayFailed]
    ) -> Replayed:
        """Send again what has failed since then, 500 messages at a time."""
        return await deliveries.replay_failed(subject, webhook_id, data.since)

    @get("/{webhook_id:uuid}/deliveries", opt=permission(READ))
    async def list_deliveries(
        self,
        subject: CurrentSubject,
        webhook_id: FromPath[UUID],
        delivery_state: StateFilter = None,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[DeliveryRow]:
        """What the server was told, newest first."""
        return await deliveries.list_deliveries(subject, webhook_id, state=delivery_state, cursor=cursor, limit=limit)

    @get("/{webhook_id:uuid}/deliveries/{delivery_id:uuid}", opt=permission(READ))
    async def get_delivery(
        self, subject: CurrentSubject, webhook_id: FromPath[UUID], delivery_id: FromPath[UUID]
    ) -> DeliveryView:
        """One delivery: its message and its attempts."""
        return await deliveries.get_delivery(subject, webhook_id, delivery_id)

    @post(
        "/{webhook_id:uuid}/deliveries/{delivery_id:uuid}/replay",
        opt=permission(WRITE),
        status_code=HTTP_202_ACCEPTED,
    )
    async def replay_delivery(
        self, subject: CurrentSubject, webhook_id: FromPath[UUID], delivery_id: FromPath[UUID]
    ) -> DeliveryRow:
        """Send a message again."""
        return await deliveries.replay(subject, webhook_id, delivery_id)
