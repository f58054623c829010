"""Work in the background: lists of jobs and what happened in one."""

from typing import Annotated, Any, Final, get_args

import msgspec
from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from backend.documents.service import readable_titles
from backend.jobs import operations, service
from backend.jobs.schemas import JobEvent, JobFilter
from backend.kit.http import CurrentSubject, PageCursor, QueryText, signed_in
from backend.web.rendering import PageRequest, render
from db.jobs import TERMINAL_STATES, JobState, is_cancellable, kind_names
from ops.runtime.ids import JobId

JOBS_SHOWN = 30
StateFilter = Annotated[str | None, QueryParameter(name="state", max_length=20)]
STATES: Final[tuple[JobState, ...]] = get_args(JobState)


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a job as a line of its history."""

    event: JobEvent
    data: dict[str, Any]


@get("/jobs", opt=signed_in())
async def jobs_page(
    request: PageRequest,
    subject: CurrentSubject,
    job_state: StateFilter = None,
    kind: QueryText = None,
    cursor: PageCursor = None,
) -> Response[Any]:
    """One's own jobs, newest first; operators see the tenant's."""
    chosen = next((known for known in STATES if known == job_state), None)
    wanted = JobFilter(state=chosen, kind=(kind or "").strip() or None)
    page = await service.list_jobs(subject, wanted, cursor=cursor, limit=JOBS_SHOWN)
    return render(
        request,
        "jobs.html",
        jobs=page.items,
        next_cursor=page.next_cursor,
        wanted=wanted,
        states=STATES,
        kinds=kind_names(),
        titles=await readable_titles(subject, [job.subject_id for job in page.items if job.subject_id]),
        all_of_tenant=subject.can(service.READ_ALL),
        is_first_page=cursor is None,
    )


@get("/jobs/{job_id:uuid}", opt=signed_in())
async def job_page(request: PageRequest, subject: CurrentSubject, job_id: FromPath[JobId]) -> Response[Any]:
    """One job and its history."""
    job = await service.get_job(subject, job_id)
    events = await service.read_events(subject, job_id, 0)
    is_over = job.state in TERMINAL_STATES
    for_operator = subject.can(service.READ_ALL)
    return render(
        request,
        "job.html",
        job=job,
        events=[EventView(event=event, data=msgspec.json.decode(event.data) or {}) for event in events.items],
        is_over=is_over,
        may_cancel=not is_over
        and not job.cancel_requested
        and is_cancellable(job.kind)
        and (job.user_id == subject.user_id or subject.can(service.WRITE_ALL)),
        may_act=subject.can(service.WRITE_ALL),
        timeline=await operations.timeline(subject, job_id) if for_operator else None,
        waiting=await operations.why_waiting(subject, job_id) if for_operator and not is_over else None,
        title=(await readable_titles(subject, [job.subject_id])).get(job.subject_id) if job.subject_id else None,
    )


handlers = [jobs_page, job_page]
