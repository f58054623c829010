"""The audit log as a page."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from litestar import Response, get

from backend.audit.schemas import AuditFilter
from backend.audit.service import PERMISSION, search_audit
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission
from backend.web.rendering import PageRequest, render

ENTRIES_SHOWN = 50


@get("/admin/audit", opt=permission(PERMISSION))
async def audit_page(
    request: PageRequest,
    subject: CurrentSubject,
    action: QueryText = None,
    person: QueryText = None,
    request_id: QueryText = None,
    since: QueryText = None,
    until: QueryText = None,
    cursor: PageCursor = None,
) -> Response[Any]:
    """Who did what, newest first; days are days in UTC."""
    first, last = _day(since), _day(until)
    wanted = AuditFilter(
        action=_given(action),
        person=_given(person),
        request_id=_given(request_id),
        since=first,
        until=last + timedelta(days=1) if last else None,
    )
    page = await search_audit(subject, wanted, cursor=cursor, limit=ENTRIES_SHOWN)
    return render(
        request,
        "audit.html",
        entries=page.items,
        next_cursor=page.next_cursor,
        wanted=wanted,
        since=since if first else "",
        until=until if last else "",
    )


def _given(text: str | None) -> str | None:
    return (text or "").strip() or None


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text or ""), time(), UTC)
    except ValueError:
        return None  # an empty or half-typed field asks for nothing


handlers = [audit_page]
