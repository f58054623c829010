"""Searching the audit log of a tenant."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from backend.audit.schemas import AuditEntry, AuditFilter
from backend.identity.accounts import normalise_email
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from db.repositories import audit as rows
from db.repositories import people
from db.repositories.audit import AuditRow

PERMISSION = "audit.read"


class _Before(msgspec.Struct, frozen=True):
    id: UUID


async def search_audit(subject: Subject, wanted: AuditFilter, *, cursor: str | None, limit: int) -> Page[AuditEntry]:
    """Return the acts that fit, newest first.

    Raises:
        PermissionMissing: the person may not read the whole tenant's log.
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(PERMISSION)
    before = decode_cursor(cursor, _Before)
    user_id = await _person(subject, wanted.person) if wanted.person else None
    if wanted.person and user_id is None:
        return Page(items=[])
    found = await rows.search(
        subject.tenant_id,
        action_prefix=wanted.action or None,
        user_id=user_id,
        request_id=wanted.request_id or None,
        since=_aware(wanted.since),
        until=_aware(wanted.until),
        before_id=before.id if before else None,
        limit=limit + 1,
    )
    page = page_of(found, limit, lambda row: _Before(row.id))
    return Page(items=[_entry(row) for row in page.items], next_cursor=page.next_cursor)


def _aware(moment: datetime | None) -> datetime | None:
    """Take a moment without a zone as UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


async def _person(subject: Subject, text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        person = await people.find_email(normalise_email(text))
        return person.id if person is not None and person.tenant_id == subject.tenant_id else None


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        timestamp=row.timestamp,
        service_name=row.service_name,
        user_id=row.user_id,
        user_email=row.user_email,
        action=row.action,
        metadata=msgspec.json.decode(row.metadata, type=dict[str, object]),
        request_id=row.request_id,
    )
