"""Events for operators: who consumes them, what was given up, and the webhooks that tell other systems."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath

from backend.jobs.queues import READ, WRITE
from backend.kit.http import CurrentSubject, PageCursor, permission
from backend.notifications import bus, deliveries, endpoints
from backend.web.rendering import PageRequest, render

DEAD_SHOWN: Final = 30
WEBHOOKS_SHOWN: Final = 100
DELIVERIES_SHOWN: Final = 50


@get("/operations/events", opt=permission(READ))
async def events_page(request: PageRequest, subject: CurrentSubject, cursor: PageCursor = None) -> Response[Any]:
    """The consumers, the events they gave up, and, for whoever may see them, the webhooks."""
    dead = await bus.list_dead(subject, consumer=None, cursor=cursor, limit=DEAD_SHOWN)
    sees_webhooks = subject.can(endpoints.READ)
    page = await endpoints.list_webhooks(subject, cursor=None, limit=WEBHOOKS_SHOWN) if sees_webhooks else None
    return render(
        request,
        "operations_events.html",
        consumers=await bus.list_consumers(subject),
        dead=dead.items,
        next_cursor=dead.next_cursor,
        is_first_page=cursor is None,
        webhooks=page.items if page else None,
        may_act=subject.can(WRITE),
    )


@get("/operations/webhooks/{webhook_id:uuid}", opt=permission(endpoints.READ))
async def webhook_page(
    request: PageRequest, subject: CurrentSubject, webhook_id: FromPath[UUID], cursor: PageCursor = None
) -> Response[Any]:
    """One webhook and what was sent to it."""
    webhook = await endpoints.get_webhook(subject, webhook_id)
    page = await deliveries.list_deliveries(subject, webhook_id, state=None, cursor=cursor, limit=DELIVERIES_SHOWN)
    return render(
        request,
        "operations_webhook.html",
        webhook=webhook,
        deliveries=page.items,
        next_cursor=page.next_cursor,
        is_first_page=cursor is None,
        sees_operations=subject.can(READ),
        may_act=subject.can(endpoints.WRITE),
    )


handlers = [events_page, webhook_page]
