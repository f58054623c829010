"""What people see of jobs and may do to them: their own, or with `ops.read` and `ops.write` all of the tenant."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from backend.jobs.errors import JobNotCancellable, JobNotFound, JobOver
from backend.jobs.estimate import seconds_left
from backend.jobs.schemas import JobEvent, JobEvents, JobFilter, JobProgress, JobView
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from db.jobs import TERMINAL_STATES, JobError, is_cancellable
from db.repositories import job_progress, job_search, jobs
from db.repositories.job_search import Wanted
from db.repositories.jobs import JobRow
from db.unit_of_work import UnitOfWork, unit_of_work

READ_ALL = "ops.read"
WRITE_ALL = "ops.write"
EVENTS_AT_ONCE = 500


class _After(msgspec.Struct, frozen=True):
    id: UUID


async def list_jobs(subject: Subject, wanted: JobFilter, *, cursor: str | None, limit: int) -> Page[JobView]:
    """Return jobs, newest first: the tenant's for operators unless `mine`, else one's own.

    Raises:
        ValidationFailed: the cursor is not of this list.
    """
    after = decode_cursor(cursor, _After)
    if not subject.can(READ_ALL):
        if wanted.user_id not in (None, subject.user_id):
            return Page(items=[])
        wanted = msgspec.structs.replace(wanted, mine=True)
    rows = await job_search.page(
        subject.tenant_id, criteria(subject, wanted), before_id=after.id if after else None, limit=limit + 1
    )
    page = page_of(rows, limit, lambda row: _After(row.id))
    return Page(items=await views_of(page.items), next_cursor=page.next_cursor)


def criteria(subject: Subject, wanted: JobFilter) -> Wanted:
    """Return the filter as the table is asked; moments without a zone are UTC."""
    fields = msgspec.structs.asdict(wanted)
    if fields.pop("mine"):
        fields["user_id"] = subject.user_id
    for name in ("created_from", "created_until"):
        moment: datetime | None = fields[name]
        if moment is not None and moment.tzinfo is None:
            fields[name] = moment.replace(tzinfo=UTC)
    return Wanted(**fields)


async def get_job(subject: Subject, job_id: UUID) -> JobView:
    """Return one job.

    Raises:
        JobNotFound: there is none for this subject.
    """
    (view,) = await views_of([await _readable(subject, job_id)])
    return view


async def read_events(subject: Subject, job_id: UUID, after: int) -> JobEvents:
    """Return the job's events with a number above `after`.

    Raises:
        JobNotFound: there is no such job for this subject.
    """
    row = await _readable(subject, job_id)  # before the events: whatever is missing from them is still to come
    items = await events_of(job_id, after)
    last = items[-1].seq if items else after
    return JobEvents(items=items, next_after=last, done=row.state in TERMINAL_STATES and last >= row.last_event)


async def events_of(job_id: UUID, after: int) -> list[JobEvent]:
    """Return events with a number above `after`, 500 at most, to whoever has asked for the rights."""
    return [
        JobEvent(seq=event.seq, type=event.type, data=msgspec.Raw(event.data.encode()), created_at=event.created_at)
        for event in await jobs.events_after(job_id, after, EVENTS_AT_ONCE)
    ]


async def cancel_job(subject: Subject, job_id: UUID) -> JobView:
    """Ask a job to stop; it does so at its next step, or, if it waits, within a second or two.

    Raises:
        JobNotFound: there is no such job for this subject.
        PermissionMissing: it is another person's and the subject may only look.
        JobNotCancellable: it is upkeep, which nobody may call off.
        JobOver: it has ended.
    """
    row = await _readable(subject, job_id)
    if row.user_id != subject.user_id:
        subject.require(WRITE_ALL)
    async with unit_of_work() as uow:
        await request_cancel(uow, subject, row)
    return await get_job(subject, job_id)


async def request_cancel(uow: UnitOfWork, subject: Subject, row: JobRow) -> None:
    """Ask a job to stop for whoever has the right to.

    Raises:
        JobNotCancellable, JobOver: see `cancel_job`.
    """
    if not is_cancellable(row.kind):
        raise JobNotCancellable
    state = await jobs.request_cancel(uow, row.id, subject.tenant_id)
    if state is None or state in TERMINAL_STATES:
        raise JobOver(str(state))
    await uow.audit(subject, "job.cancel_requested", {"job_id": str(row.id), "kind": row.kind})


async def _readable(subject: Subject, job_id: UUID) -> JobRow:
    return check_readable(subject, await jobs.get(job_id, subject.tenant_id))


def check_readable(subject: Subject, row: JobRow | None) -> JobRow:
    """Return the job of the subject's tenant as it was found.

    Raises:
        JobNotFound: there is none for this subject.
    """
    if row is None or (row.user_id != subject.user_id and not subject.can(READ_ALL)):
        raise JobNotFound
    return row


async def views_of(rows: Sequence[JobRow]) -> list[JobView]:
    """Return the jobs as the API gives them, with what those that run still need, to whoever has asked for the rights."""
    paces = await job_progress.paces([row.id for row in rows if row.state == "running" and row.items_total])
    now = datetime.now(UTC)
    return [view_of(row, seconds_left(paces[row.id], now) if row.id in paces else None) for row in rows]


def view_of(row: JobRow, estimated_seconds_left: int | None = None) -> JobView:
    """Return the job as the API gives it, to whoever has asked for the rights."""
    return JobView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        queue=row.queue,
        priority=row.priority,
        stage=row.stage,
        progress=JobProgress(done=row.items_done, total=row.items_total),
        estimated_seconds_left=estimated_seconds_left,
        attempts=row.attempt,
        max_attempts=row.max_attempts,
        error=msgspec.json.decode(row.error, type=JobError) if row.error else None,
        subject_id=row.subject_id,
        user_id=row.user_id,
        request_id=row.request_id,
        cancel_requested=row.cancel_requested_at is not None,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        retry_at=row.retry_at,
    )
