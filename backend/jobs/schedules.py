"""Schedules: a tenant's jobs by the clock."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from backend.jobs.cron import CronInvalid, next_dues, timezones
from backend.jobs.errors import ScheduleNameTaken, ScheduleNotFound, ScheduleRefused
from backend.jobs.firing import make_job
from backend.jobs.queues import READ, WRITE
from backend.jobs.schemas import DueTimes, NewSchedule, ScheduleChange, ScheduleView
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.pointers import from_message
from backend.kit.subject import Subject
from db import query
from db.errors import UniqueViolation
from db.jobs import kind_named
from db.repositories import schedules
from db.repositories.schedules import FiringRow, ScheduleRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import new_id

TIMES_SHOWN: Final = 5


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def list_schedules(subject: Subject, *, cursor: str | None, limit: int) -> Page[ScheduleView]:
    """Return the tenant's schedules, oldest first.

    Raises:
        PermissionMissing: the subject is no operator.
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    after = decode_cursor(cursor, _After)
    rows = await schedules.page(subject.tenant_id, after.id if after else None, limit + 1)
    page = page_of(rows, limit, lambda row: _After(row.id))
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


async def get_schedule(subject: Subject, schedule_id: UUID) -> ScheduleView:
    """Return one schedule.

    Raises:
        PermissionMissing: the subject is no operator.
        ScheduleNotFound: the tenant has no such schedule.
    """
    subject.require(READ)
    return _view(await _found(subject, schedule_id))


async def next_times(subject: Subject, cron: str, timezone: str) -> DueTimes:
    """Return when an expression is due next, for whoever is about to make a schedule of it.

    Raises:
        PermissionMissing: the subject is no operator.
        ScheduleRefused: it would never fire.
    """
    subject.require(READ)
    return DueTimes(items=_due_times(cron, timezone, TIMES_SHOWN))


async def create_schedule(subject: Subject, new: NewSchedule) -> ScheduleView:
    """Make a schedule whose jobs have the subject's rights.

    Raises:
        PermissionMissing: the subject may only look.
        ScheduleRefused: it would never fire, or no such job can be scheduled.
        ScheduleNameTaken: the tenant has one of that name.
    """
    subject.require(WRITE)
    now = datetime.now(UTC)
    fields = msgspec.structs.asdict(new) | {"args": _checked_args(new.kind, new.args)}
    row = ScheduleRow(
        **fields,
        id=new_id(),
        tenant_id=subject.tenant_id,
        user_id=subject.user_id,
        next_at=_next(new.cron, new.timezone, new.is_enabled),
        created_at=now,
        updated_at=now,
    )
    async with unit_of_work() as uow:
        await _put(uow, row)
        await uow.audit(subject, "schedule.created", _about(row))
    return await get_schedule(subject, row.id)


async def change_schedule(subject: Subject, schedule_id: UUID, change: ScheduleChange) -> ScheduleView:
    """Change a schedule; what is left out stays. A change of its times, or a start, forgets what was missed.

    Raises:
        PermissionMissing: the subject may only look.
        ScheduleNotFound: the tenant has no such schedule.
        ScheduleRefused, ScheduleNameTaken: see `create_schedule`.
    """
    subject.require(WRITE)
    changes = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
    async with unit_of_work() as uow:
        old = await _found(subject, schedule_id, lock=True)
        args = changes.get("args", msgspec.json.decode(old.args))
        changes["args"] = _checked_args(changes.get("kind", old.kind), args)
        row = msgspec.structs.replace(old, **changes, user_id=subject.user_id)
        if (row.cron, row.timezone, row.is_enabled) != (old.cron, old.timezone, old.is_enabled):
            row = msgspec.structs.replace(row, next_at=_next(row.cron, row.timezone, row.is_enabled))
        await _put(uow, row)
        await uow.audit(subject, "schedule.changed", _about(row))
    return await get_schedule(subject, schedule_id)


async def delete_schedule(subject: Subject, schedule_id: UUID) -> None:
    """Delete a schedule with its history; jobs that it made go on.

    Raises:
        PermissionMissing: the subject may only look.
        ScheduleNotFound: the tenant has no such schedule.
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        row = await _found(subject, schedule_id, lock=True)
        await schedules.delete(uow, schedule_id)
        await uow.audit(subject, "schedule.deleted", _about(row))


async def run_now(subject: Subject, schedule_id: UUID) -> FiringRow:
    """Make the schedule's job now, whatever its times say, with the rights the schedule has.

    Raises:
        PermissionMissing: the subject may only look.
        ScheduleNotFound: the tenant has no such schedule.
        ScheduleRefused: this version has no such job.
    """
    subject.require(WRITE)
    async with unit_of_work() as uow:
        row = await _found(subject, schedule_id, lock=True)
        fired = await make_job(uow, row, "manual", await query.fetch_value("SELECT now()"))
        if fired.job_id is None:
            raise ScheduleRefused("", f"No job {row.kind} with these arguments can be made.")
        await uow.audit(subject, "schedule.run", _about(row) | {"job_id": str(fired.job_id)})
    return fired


async def list_firings(subject: Subject, schedule_id: UUID, *, cursor: str | None, limit: int) -> Page[FiringRow]:
    """Return what became of a schedule's due times, newest first.

    Raises:
        PermissionMissing: the subject is no operator.
        ScheduleNotFound: the tenant has no such schedule.
        ValidationFailed: the cursor is not of this list.
    """
    subject.require(READ)
    before = decode_cursor(cursor, _After)
    await _found(subject, schedule_id)
    rows = await schedules.firings(schedule_id, before.id if before else None, limit + 1)
    return page_of(rows, limit, lambda row: _After(row.id))


def _checked_args(name: str, args: dict[str, Any]) -> str:
    """Return the arguments as the kind's jobs get them."""
    kind = kind_named(name)
    if kind is None or not kind.schedulable:
        raise ScheduleRefused("/kind", "There is no such job that can be scheduled.")
    try:
        return query.to_json(msgspec.convert(args, kind.args))
    except msgspec.ValidationError as error:
        wrong = from_message(str(error))
        raise ScheduleRefused(f"/args{wrong.pointer}", wrong.detail) from error


def _next(cron: str, timezone: str, is_enabled: bool) -> datetime | None:
    due = _due_times(cron, timezone, 1)[0].astimezone(UTC)
    return due if is_enabled else None


def _due_times(cron: str, timezone: str, limit: int) -> list[datetime]:
    if timezone not in timezones():
        raise ScheduleRefused("/timezone", "There is no such time zone; write one like Asia/Amman.")
    try:
        return next_dues(cron, timezone, datetime.now(UTC), limit)
    except CronInvalid as error:
        raise ScheduleRefused("/cron", str(error)) from error


async def _put(uow: UnitOfWork, row: ScheduleRow) -> None:
    try:
        await schedules.put(uow, row)
    except UniqueViolation as error:
        raise ScheduleNameTaken(row.name) from error


async def _found(subject: Subject, schedule_id: UUID, *, lock: bool = False) -> ScheduleRow:
    row = await schedules.get(schedule_id, subject.tenant_id, lock=lock)
    if row is None:
        raise ScheduleNotFound
    return row


def _about(row: ScheduleRow) -> dict[str, Any]:
    return {"schedule_id": str(row.id), "kind": row.kind, "cron": row.cron, "is_enabled": row.is_enabled}


def _view(row: ScheduleRow) -> ScheduleView:
    fields = msgspec.structs.asdict(row) | {"args": msgspec.json.decode(row.args)}
    return ScheduleView(**{name: fields[name] for name in ScheduleView.__struct_fields__})
