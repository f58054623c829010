"""Administration of people, their rights, and roles."""

from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from backend.academics.places import list_faculties
from backend.academics.service import list_courses
from backend.identity import people, rights
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission
from backend.kit.pagination import MAX_LIMIT, decode_cursor, page_of
from backend.kit.permissions import PERMISSIONS
from backend.web.rendering import PageRequest, render
from db.repositories.people import PersonState
from ops.runtime.ids import UserId

PEOPLE_SHOWN = 25
READ = permission("person.read")
STATES: Final[tuple[PersonState, ...]] = ("active", "disabled")


class ByPerson(msgspec.Struct, frozen=True):
    """Where a page of people ended."""

    id: UserId


@get("/admin/people", opt=READ)
async def people_page(
    request: PageRequest,
    subject: CurrentSubject,
    q: QueryText = None,
    only: FromQuery[str] = "",
    cursor: PageCursor = None,
) -> Response[Any]:
    """People of the tenant, newest first."""
    before = decode_cursor(cursor, ByPerson)
    state = next((known for known in STATES if known == only), None)
    rows = await people.list_people(
        subject, text=q or None, state=state, before_id=before.id if before else None, limit=PEOPLE_SHOWN + 1
    )
    page = page_of(rows, PEOPLE_SHOWN, lambda row: ByPerson(row.id))
    return render(
        request,
        "people.html",
        people=page.items,
        next_cursor=page.next_cursor,
        q=q or "",
        only=state or "",
        may_write=subject.can("person.write"),
        roles=await rights.list_roles(subject) if subject.can("grant.write") else [],
    )


@get("/admin/people/{user_id:uuid}", opt=READ)
async def person_page(request: PageRequest, subject: CurrentSubject, user_id: FromPath[UserId]) -> Response[Any]:
    """One person and what they may do where."""
    faculties = await list_faculties(subject, limit=MAX_LIMIT)
    courses = await list_courses(subject, limit=MAX_LIMIT)
    return render(
        request,
        "person.html",
        person=await people.get_person(subject, user_id),
        grants=await rights.list_grants(subject, user_id),
        roles=await rights.list_roles(subject),
        faculties=faculties,
        courses=courses,
        place_names={place.id: place.name for place in faculties} | {course.id: course.title for course in courses},
        may_write=subject.can("person.write"),
        may_grant=subject.can_anywhere("grant.write"),
        is_self=user_id == subject.user_id,
    )


@get("/admin/roles", opt=READ)
async def roles_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """Which role gives which permission."""
    return render(
        request,
        "roles.html",
        roles=await rights.list_roles(subject),
        permissions=PERMISSIONS,
        may_write=subject.can("role.write"),
    )


handlers = [people_page, person_page, roles_page]
