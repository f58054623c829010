"""What operators look at: queues, jobs, what failed, workers, schedules. What they do goes to the API."""

from typing import Annotated, Any, Final, get_args
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from backend.documents.service import readable_titles
from backend.jobs import figures, operations, schedules, service, workers
from backend.jobs.figures import Hours, QueueHistory
from backend.jobs.queues import READ, WRITE
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission
from backend.kit.subject import Subject
from backend.web.job_filter import JobSearch
from backend.web.rendering import PageRequest, render
from backend.web.schedule_form import schedulable_kinds, zone_names
from db.jobs import QUEUES, JobState, kind_names

JOBS_SHOWN: Final = 50
SCHEDULES_SHOWN: Final = 50
FIRINGS_SHOWN: Final = 50
STATES: Final[tuple[JobState, ...]] = get_args(JobState)
RANGES: Final[tuple[Hours, ...]] = get_args(Hours)
SERIES: Final = (
    "depth",
    "in_flight",
    "oldest_age_seconds",
    "in_per_minute",
    "out_per_minute",
    "failed_per_minute",
)

OPERATORS = permission(READ)
ShownHours = Annotated[int, QueryParameter(ge=1, le=168)]


@get("/operations", opt=OPERATORS)
async def queues_page(
    request: PageRequest, subject: CurrentSubject, queue: QueryText = None, hours: ShownHours = 1
) -> Response[Any]:
    """The queues as they are, and one of them over time."""
    rows = await figures.queue_figures(subject)
    chosen = next((row for row in rows if row.name == queue), None) or max(rows, key=lambda row: row.depth)
    span = next((known for known in RANGES if known == hours), RANGES[0])
    history = await figures.queue_history_of(subject, chosen.name, span)
    return _rendered(
        request,
        subject,
        "operations_queues.html",
        queues=rows,
        queue=chosen.name,
        hours=span,
        ranges=RANGES,
        summaries={name: _summary(history, name) for name in SERIES},
    )


@get("/operations/jobs", opt=OPERATORS)
async def jobs_page(request: PageRequest, subject: CurrentSubject, cursor: PageCursor = None) -> Response[Any]:
    """The tenant's jobs that fit, newest first."""
    search = JobSearch.of(request.query_params)
    page = await service.list_jobs(subject, search.wanted, cursor=cursor, limit=JOBS_SHOWN) if search.is_sound else None
    jobs = page.items if page else []
    return _rendered(
        request,
        subject,
        "operations_jobs.html",
        jobs=jobs,
        next_cursor=page.next_cursor if page else None,
        search=search,
        states=STATES,
        kinds=kind_names(),
        queue_names=QUEUES,
        titles=await readable_titles(subject, [job.subject_id for job in jobs if job.subject_id]),
        is_first_page=cursor is None,
    )


@get("/operations/failed", opt=OPERATORS)
async def failed_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """The tenant's dead jobs by what killed them."""
    return _rendered(request, subject, "operations_failed.html", groups=await operations.dead_groups(subject))


@get("/operations/workers", opt=OPERATORS)
async def workers_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """The worker processes."""
    return _rendered(request, subject, "operations_workers.html", workers=await workers.list_workers(subject))


@get("/operations/schedules", opt=OPERATORS)
async def schedules_page(request: PageRequest, subject: CurrentSubject, cursor: PageCursor = None) -> Response[Any]:
    """The tenant's jobs by the clock."""
    page = await schedules.list_schedules(subject, cursor=cursor, limit=SCHEDULES_SHOWN)
    return _rendered(
        request,
        subject,
        "operations_schedules.html",
        schedules=page.items,
        next_cursor=page.next_cursor,
        kinds=schedulable_kinds(),
        zones=zone_names(),
    )


@get("/operations/schedules/{schedule_id:uuid}", opt=OPERATORS)
async def schedule_page(
    request: PageRequest, subject: CurrentSubject, schedule_id: FromPath[UUID], cursor: PageCursor = None
) -> Response[Any]:
    """One schedule and what became of its due times."""
    schedule = await schedules.get_schedule(subject, schedule_id)
    page = await schedules.list_firings(subject, schedule_id, cursor=cursor, limit=FIRINGS_SHOWN)
    return _rendered(
        request,
        subject,
        "operations_schedule.html",
        schedule=schedule,
        firings=page.items,
        next_cursor=page.next_cursor,
        is_first_page=cursor is None,
        kinds=schedulable_kinds(),
        zones=zone_names(),
    )


def _rendered(request: PageRequest, subject: Subject, template: str, **context: Any) -> Response[Any]:
    return render(request, template, may_act=subject.can(WRITE), **context)


def _summary(history: QueueHistory, series: str) -> dict[str, float] | None:
    """Return a series in numbers for those who cannot see the chart; None when it has no value."""
    values = [value for value in getattr(history, series) if value is not None]
    if not values:
        return None
    return {"now": values[-1], "least": min(values), "most": max(values), "mean": round(sum(values) / len(values), 2)}


handlers = [queues_page, jobs_page, failed_page, workers_page, schedules_page, schedule_page]
