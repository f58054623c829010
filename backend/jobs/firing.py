"""What a schedule does when its time has come, or has passed while no clock ran."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from backend.jobs.cron import CronInvalid, last_due, next_due
from db import query
from db.jobs import Args, JobKind, kind_named
from db.repositories import schedules
from db.repositories.schedules import Cause, FiringRow, ScheduleRow
from db.unit_of_work import UnitOfWork, unit_of_work

GRACE = timedelta(seconds=60)
"""A due time that is longer past was missed."""


class Plan(NamedTuple):
    """What to write for which due times, and when the schedule is due again; None when it never is."""

    firings: list[tuple[Cause, datetime]]
    next_at: datetime | None


def plan_firings(row: ScheduleRow, now: datetime) -> Plan:
    """Decide by the schedule's policy for missed runs; those passed over are written as one, at the earliest's time."""
    assert row.next_at is not None
    limit = row.max_missed if row.missed == "all" else 1
    try:
        found = last_due(row.cron, row.timezone, row.next_at, now, limit)
        next_at = next_due(row.cron, row.timezone, now)
    except CronInvalid:
        return Plan([("refused", row.next_at)], None)
    if row.missed == "skip":
        found = [due for due in found if now - due <= GRACE]
    runs: list[tuple[Cause, datetime]] = [("due" if now - due <= GRACE else "missed", due) for due in found]
    skipped: list[tuple[Cause, datetime]] = [] if row.next_at in found else [("skipped", row.next_at)]
    return Plan(skipped + runs, next_at)


async def fire(seen: ScheduleRow) -> list[FiringRow]:
    """Make the jobs of a schedule that was seen to be due; none when another clock has done it or somebody changed it."""
    async with unit_of_work() as uow:
        row = await schedules.take(uow, seen)
        if row is None:
            return []
        plan = plan_firings(row, await query.fetch_value("SELECT now()"))
        made = [await make_job(uow, row, cause, due_at) for cause, due_at in plan.firings]
        await schedules.advance(uow, row.id, plan.next_at)
        return made


async def make_job(uow: UnitOfWork, row: ScheduleRow, cause: Cause, due_at: datetime) -> FiringRow:
    """Write what becomes of a due time, and the job unless it is passed over or this program has no such job."""
    job_id, kind = None, kind_named(row.kind)
    if cause not in ("skipped", "refused"):
        args = None if kind is None or not kind.schedulable else _decoded(row.args, kind)
        if kind is None or args is None:
            cause = "refused"
        else:
            job_id = await uow.enqueue(kind, args, subject=row)
    return await schedules.note_firing(uow, row.id, cause, due_at, job_id)


def _decoded(args: str, kind: JobKind[Args]) -> Args | None:
    try:
        return msgspec.json.decode(args, type=kind.args)
    except msgspec.MsgspecError:
        return None
