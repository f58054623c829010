"""Schedules and what became of their due times."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import JobId, new_id

Missed = Literal["skip", "once", "all"]
Cause = Literal["due", "missed", "skipped", "manual", "refused"]


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule; `args` is JSON text."""

    id: UUID
    tenant_id: UUID
    user_id: UUID | None
    name: str
    kind: str
    args: str
    cron: str
    timezone: str
    missed: Missed
    max_missed: int
    is_enabled: bool
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime


class FiringRow(msgspec.Struct, frozen=True, kw_only=True):
    """What happened for a due time: a job, or, skipped or refused, none."""

    id: UUID
    cause: Cause
    due_at: datetime
    fired_at: datetime
    job_id: JobId | None


COLUMNS = ", ".join(ScheduleRow.__struct_fields__)


async def page(tenant_id: UUID, after_id: UUID | None, limit: int) -> list[ScheduleRow]:
    """Return the tenant's schedules, oldest first."""
    return await query.fetch(
        ScheduleRow,
        f"SELECT {COLUMNS} FROM schedules WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        tenant_id,
        after_id,
        limit,
    )


async def get(schedule_id: UUID, tenant_id: UUID, *, lock: bool = False) -> ScheduleRow | None:
    """Return a schedule of the tenant; with `lock` nobody else fires or changes it before the transaction ends."""
    sql = f"SELECT {COLUMNS} FROM schedules WHERE id = $1 AND tenant_id = $2 {'FOR UPDATE' if lock else ''}"
    return await query.fetch_one(ScheduleRow, sql, schedule_id, tenant_id)


async def put(uow: UnitOfWork, row: ScheduleRow) -> None:
    """Write a new schedule, or everything about one that is there.

    Raises:
        UniqueViolation: the tenant has another one of that name.
    """
    del uow
    fields = [name for name in ScheduleRow.__struct_fields__ if name not in ("created_at", "updated_at")]
    places = ", ".join(f"${place}" for place in range(1, len(fields) + 1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in fields if name not in ("id", "tenant_id"))
    await query.execute(
        f"""INSERT INTO schedules ({", ".join(fields)}) VALUES ({places})
            ON CONFLICT (id) DO UPDATE SET {changes}, updated_at = now()""",
        *(getattr(row, name) for name in fields),
    )


async def delete(uow: UnitOfWork, schedule_id: UUID) -> None:
    """Delete a schedule and its history; the jobs it made stay."""
    del uow
    await query.execute("DELETE FROM schedule_firings WHERE schedule_id = $1", schedule_id)
    await query.execute("DELETE FROM schedules WHERE id = $1", schedule_id)


async def due(limit: int = 100) -> list[ScheduleRow]:
    """Return schedules whose time has come."""
    return await query.fetch(
        ScheduleRow, f"SELECT {COLUMNS} FROM schedules WHERE next_at <= now() ORDER BY next_at, id LIMIT $1", limit
    )


async def take(uow: UnitOfWork, seen: ScheduleRow) -> ScheduleRow | None:
    """Lock a schedule that is due as it was seen; None when another clock has fired it, or somebody changed it."""
    del uow
    return await query.fetch_one(
        ScheduleRow,
        f"SELECT {COLUMNS} FROM schedules WHERE id = $1 AND next_at = $2 FOR UPDATE SKIP LOCKED",
        seen.id,
        seen.next_at,
    )


async def advance(uow: UnitOfWork, schedule_id: UUID, next_at: datetime | None) -> None:
    """Set the next due time."""
    del uow
    await query.execute("UPDATE schedules SET next_at = $2 WHERE id = $1", schedule_id, next_at)


async def note_firing(
    uow: UnitOfWork, schedule_id: UUID, cause: Cause, due_at: datetime, job_id: JobId | None
) -> FiringRow:
    """Write down what became of a due time.

    Raises:
        UniqueViolation: it is written already.
    """
    del uow
    row = await query.fetch_one(
        FiringRow,
        """INSERT INTO schedule_firings (id, schedule_id, cause, due_at, job_id) VALUES ($1, $2, $3, $4, $5)
           RETURNING id, cause, due_at, fired_at, job_id""",
        new_id(),
        schedule_id,
        cause,
        due_at,
        job_id,
    )
    assert row is not None
    return row


async def firings(schedule_id: UUID, before_id: UUID | None, limit: int) -> list[FiringRow]:
    """Return a schedule's history, newest first."""
    return await query.fetch(
        FiringRow,
        """SELECT id, cause, due_at, fired_at, job_id FROM schedule_firings
           WHERE schedule_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3""",
        schedule_id,
        before_id,
        limit,
    )


async def purge_firings(uow: UnitOfWork, days: float, limit: int) -> int:
    """Delete history that is older than `days`; return how much."""
    del uow
    return await query.execute(
        """DELETE FROM schedule_firings WHERE id IN (
               SELECT id FROM schedule_firings WHERE fired_at < now() - $1 * interval '1 day' ORDER BY id LIMIT $2)""",
        float(days),
        limit,
    )
