"""Events for operators: who consumes them, what was given up, and the webhooks that tell other systems."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath

from backend.jobs.queues import READ, WRITE
from backend.kit.http import CurrentSubject, PageCursor, permission
from backend.kit.subject import Subject
from backend.notifications import bus, deliveries, endpoints, sources
from backend.notifications.events import INBOUND
from backend.notifications.schemas import SourceView
from backend.web.rendering import PageRequest, render
from db.events import FAMILY

DEAD_SHOWN: Final = 30
WEBHOOKS_SHOWN: Final = 100
SOURCES_SHOWN: Final = 100
DELIVERIES_SHOWN: Final = 50


@get("/operations/events", opt=permission(READ))
async def events_page(request: PageRequest, subject: CurrentSubject, cursor: PageCursor = None) -> Response[Any]:
    """The consumers, the events they gave up, and, for whoever may see them, the webhooks."""
    dead = await bus.list_dead(subject, consumer=None, cursor=cursor, limit=DEAD_SHOWN)
    sees_webhooks = subject.can(endpoints.READ)
    page = await endpoints.list_webhooks(subject, cursor=None, limit=WEBHOOKS_SHOWN) if sees_webhooks else None
    known_sources = await _sources(request, subject) if sees_webhooks else []
    return render(
        request,
        "operations_events.html",
        consumers=await bus.list_consumers(subject),
        dead=dead.items,
        next_cursor=dead.next_cursor,
        is_first_page=cursor is None,
        webhooks=page.items if page else None,
        sources=known_sources,
        event_choices=_event_choices(known_sources),
        may_act=subject.can(WRITE),
        may_change_webhooks=subject.can(endpoints.WRITE),
    )


@get("/operations/webhooks/{webhook_id:uuid}", opt=permission(endpoints.READ))
async def webhook_page(
    request: PageRequest, subject: CurrentSubject, webhook_id: FromPath[UUID], cursor: PageCursor = None
) -> Response[Any]:
    """One webhook and what was sent to it."""
    webhook = await endpoints.get_webhook(subject, webhook_id)
    page = await deliveries.list_deliveries(subject, webhook_id, state=None, cursor=cursor, limit=DELIVERIES_SHOWN)
    choices = _event_choices(await _sources(request, subject))
    return render(
        request,
        "operations_webhook.html",
        webhook=webhook,
        deliveries=page.items,
        next_cursor=page.next_cursor,
        is_first_page=cursor is None,
        event_choices=[*choices, *(name for name in webhook.events if name not in choices)],
        sees_operations=subject.can(READ),
        may_act=subject.can(endpoints.WRITE),
    )


async def _sources(request: PageRequest, subject: Subject) -> Sequence[SourceView]:
    base_url = str(request.app.state.settings.base_url)
    return (await sources.list_sources(subject, base_url, cursor=None, limit=SOURCES_SHOWN)).items


def _event_choices(known_sources: Sequence[SourceView]) -> list[str]:
    """Return what a webhook can be told of: every event, each kind, and what each of the known systems sends."""
    kinds = [kind.name for kind in bus.list_kinds() if not kind.name.endswith(FAMILY)]
    return [endpoints.EVERY_EVENT, *kinds, *(INBOUND.named(source.name) for source in known_sources)]


handlers = [events_page, webhook_page]
