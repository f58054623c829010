"""The routes of webhooks and events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from backend.notifications import retrying
from backend.notifications.controller.events import EventController
from backend.notifications.controller.inbound import InboundController
from backend.notifications.controller.sources import SourceController
from backend.notifications.controller.webhooks import WebhookController
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Sender
from ops.runtime.settings import Settings


@asynccontextmanager
async def open_webhooks(app: Litestar) -> AsyncIterator[None]:
    """Hold what checks addresses and seals secrets."""
    settings: Settings = app.state.settings
    app.state.webhook_sender = Sender(to_loopback=settings.webhooks_to_loopback)
    app.state.webhook_secrets = Secrets(settings.master_key)
    yield


controllers = [EventController, InboundController, SourceController, WebhookController]
lifespans = [open_webhooks]

__all__ = ["controllers", "lifespans", "retrying"]  # whoever serves retries knows what they mean for deliveries
