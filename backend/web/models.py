"""Models: what gives them, what is used of them, quotas, adapters. What people do goes to the API."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, get_args

from litestar import Response, get
from litestar.params import QueryParameter

from backend.academics.service import list_courses
from backend.errors import DependencyUnavailable
from backend.identity import people
from backend.inference import policy, quotas, upstreams, usage
from backend.inference.schemas import Hours, UsageHistory
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission
from backend.kit.subject import Subject
from backend.problems import to_error
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render
from db.repositories.courses import CourseRow
from db.repositories.people import PersonRow
from inference_gateway.contract import Overview
from inference_gateway.errors import GatewayError
from ops.runtime.ids import CourseId

ADAPTERS_SHOWN: Final = 50
PEOPLE_SHOWN: Final = 100
RANGES: Final[tuple[Hours, ...]] = get_args(Hours)
READERS = permission(upstreams.READ)
ShownHours = Annotated[int, QueryParameter(ge=1, le=720)]


@get("/models", opt=READERS)
async def models_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """The upstreams as they are now; without a gateway the page says so."""
    overview: Overview | None = None
    try:
        overview = await upstreams.list_upstreams(subject, request.app.state.gateway)
    except GatewayError as error:
        if not isinstance(to_error(error), DependencyUnavailable):
            raise
    return render(request, "models.html", overview=overview, may_drain=subject.can(upstreams.DRAIN))


@get("/models/usage", opt=READERS)
async def usage_page(request: PageRequest, subject: CurrentSubject, hours: ShownHours = 24) -> Response[Any]:
    """What was used: over time, by model, by course."""
    span = next((known for known in RANGES if known == hours), RANGES[0])
    used = await usage.usage(subject, span)
    return render(request, "models_usage.html", used=used, hours=span, ranges=RANGES, totals=_totals(used))


@get("/models/quotas", opt=READERS)
async def quotas_page(request: PageRequest, subject: CurrentSubject, person: QueryText = None) -> Response[Any]:
    """Quotas, what may be done with texts, and the answers that are kept; `person` narrows whom to set a quota for."""
    may_write = subject.can(quotas.WRITE)
    return render(
        request,
        "models_quotas.html",
        quotas=await quotas.list_quotas(subject),
        policy=await policy.get_policy(subject),
        may_write=may_write,
        courses=await _courses(subject) if may_write else [],
        people=await _people(subject, person) if may_write else [],
        person=person or "",
        people_shown=PEOPLE_SHOWN,
    )


@get("/models/adapters", opt=READERS)
async def adapters_page(request: PageRequest, subject: CurrentSubject, cursor: PageCursor = None) -> Response[Any]:
    """The tenant's private adapters, whatever their state."""
    page = await usage.list_adapters(subject, cursor=cursor, limit=ADAPTERS_SHOWN)
    return render(request, "models_adapters.html", adapters=page.items, next_cursor=page.next_cursor)


async def _courses(subject: Subject) -> Sequence[CourseRow]:
    async def rows(after: CourseId | None, limit: int) -> list[CourseRow]:
        return await list_courses(subject, after_id=after, limit=limit)

    return await whole(rows)


async def _people(subject: Subject, text: str | None) -> Sequence[PersonRow]:
    if not subject.can(people.READ):
        return []
    return await people.list_people(subject, text=text or None, state="active", before_id=None, limit=PEOPLE_SHOWN)


def _totals(used: UsageHistory) -> dict[str, int]:
    names = ("requests", "failed", "cache_hits", "degraded", "prompt_tokens", "completion_tokens")
    return {name: sum(getattr(used, name)) for name in names}


handlers = [models_page, usage_page, quotas_page, adapters_page]
