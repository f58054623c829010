"""What operators see of events: their kinds, how far consumers are, what was given up, and its replay."""

from uuid import UUID

import msgspec

from backend.jobs.queues import READ, WRITE
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.notifications.errors import DeadLetterNotFound
from backend.notifications.schemas import EventKindView, Replayed
from db.events import event_kinds
from db.repositories import events
from db.repositories.events import ConsumerRow, DeadRow
from db.unit_of_work import unit_of_work


class _After(msgspec.Struct, frozen=True):
    id: UUID


def list_kinds() -> list[EventKindView]:
    """Return every kind of event there is, by name."""
    return [
        EventKindView(name=kind.name, version=kind.version, fields=list(kind.payload.__struct_fields__))
        for kind in event_kinds()
    ]


async def list_consumers(subject: Subject) -> list[ConsumerRow]:
    """Return the consumers, with what they have still to do for the tenant.

    Raises:
        PermissionMissing: the subject is no operator.
    """
    subject.require(READ)
    return await events.consumers(subject.tenant_id)


async def list_dead(subject: Subject, *, consumer: str | None, cursor: str | None, limit: int) -> Page[DeadRow]:
    """Return the tenant's events that a consumer gave up, newest first.

    Raises:
        PermissionMissing: the subject is no operator.
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    before = decode_cursor(cursor, _After)
    found = await events.dead(subject.tenant_id, consumer, before.id if before else None, limit + 1)
    return page_of(found, limit, lambda row: _After(row.id))


async def replay_dead(subject: Subject, dead_id: UUID) -> Replayed:
    """Let one event be tried again, as often as at first.

    Raises:
        PermissionMissing: the subject may only look.
        DeadLetterNotFound
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        row = await events.replay(uow, subject.tenant_id, dead_id)
        if row is None:
            raise DeadLetterNotFound
        about = {"consumer": row.consumer, "event_id": str(row.event_id), "kind": row.kind}
        await uow.audit(subject, "event.replayed", about)
    return Replayed(count=1)


async def replay_all_dead(subject: Subject, consumer: str | None) -> Replayed:
    """Let every event of the tenant that was given up be tried again, or those of one consumer.

    Raises:
        PermissionMissing: the subject may only look.
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        count = await events.replay_all(uow, subject.tenant_id, consumer)
        await uow.audit(subject, "events.replayed", {"consumer": consumer, "count": count})
    return Replayed(count=count)
