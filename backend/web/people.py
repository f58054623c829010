"""Administration of people, their rights, and roles."""

import contextlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from backend.academics.errors import CourseNotFound
from backend.academics.places import list_faculties
from backend.academics.service import list_courses, readable_course
from backend.identity import people, rights
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission
from backend.kit.pagination import decode_cursor, page_of
from backend.kit.permissions import PERMISSIONS
from backend.kit.subject import Subject
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render
from db.repositories.people import PersonState
from db.repositories.rights import GrantRow
from ops.runtime.ids import CourseId, UserId

PEOPLE_SHOWN = 25
PLACES_SHOWN = 100
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
async def person_page(
    request: PageRequest, subject: CurrentSubject, user_id: FromPath[UserId], place: QueryText = None
) -> Response[Any]:
    """One person and what they may do where; `place` narrows the places to choose from by their names and codes."""
    person, grants = await people.get_person(subject, user_id), await rights.list_grants(subject, user_id)
    faculties = await whole(lambda after, limit: list_faculties(subject, after_id=after, limit=limit))
    courses = await list_courses(subject, text=place or None, limit=PLACES_SHOWN + 1)
    named = [row for row in faculties if (place or "").casefold() in f"{row.code} {row.name}".casefold()]
    return render(
        request,
        "person.html",
        person=person,
        grants=grants,
        roles=await rights.list_roles(subject),
        faculties=named[:PLACES_SHOWN],
        courses=courses[:PLACES_SHOWN],
        place=place or "",
        too_many=max(len(named), len(courses)) > PLACES_SHOWN,
        searchable=bool(place) or max(len(faculties), len(courses)) > PLACES_SHOWN,
        place_names={row.id: row.name for row in faculties} | await _course_names(subject, grants),
        may_write=subject.can("person.write"),
        may_grant=subject.can_anywhere("grant.write"),
        is_self=user_id == subject.user_id,
    )


async def _course_names(subject: Subject, grants: Sequence[GrantRow]) -> dict[UUID, str]:
    """Return the names of the courses that the grants mean, of those the reader may read."""
    names: dict[UUID, str] = {}
    for course_id in {grant.course_id for grant in grants if grant.course_id is not None}:
        with contextlib.suppress(CourseNotFound):
            names[course_id] = (await readable_course(subject, CourseId(course_id))).title
    return names


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
