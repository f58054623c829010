"""Administration of people, their rights, and roles."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from backend.academics.access import course_ref
from backend.academics.errors import CourseNotFound
from backend.academics.places import list_faculties
from backend.academics.service import list_courses, readable_course
from backend.identity import people, restoring, rights
from backend.identity.schemas import FoundPerson
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission
from backend.kit.pagination import decode_cursor, page_of
from backend.kit.permissions import PERMISSIONS
from backend.kit.subject import Subject
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render
from db.repositories.courses import CourseRow
from db.repositories.people import PersonRow, PersonState
from db.repositories.rights import GrantRow
from ops.runtime.ids import UserId

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
    """People the reader may read, newest first, and whom else they find."""
    before = decode_cursor(cursor, ByPerson)
    state = next((known for known in STATES if known == only), None)
    rows = await people.list_people(
        subject, text=q or None, state=state, before_id=before.id if before else None, limit=PEOPLE_SHOWN + 1
    )
    page = page_of(rows, PEOPLE_SHOWN, lambda row: ByPerson(row.id))
    elsewhere = await _found_elsewhere(subject, q, page.items) if cursor is None and state is None else []
    return render(
        request,
        "people.html",
        people=[*page.items, *elsewhere],
        next_cursor=page.next_cursor,
        q=q or "",
        only=state or "",
        deleted=await _deleted_people(subject) if cursor is None and not q and state is None else [],
        may_write=subject.can("person.write"),
        roles=await rights.list_roles(subject) if subject.can("grant.write") else [],
    )


async def _deleted_people(subject: Subject) -> list[PersonRow]:
    if not subject.can("person.write"):
        return []
    return await restoring.list_deleted_people(subject, text=None, state=None, before_id=None, limit=PEOPLE_SHOWN)


@get("/admin/people/{user_id:uuid}", opt=READ)
async def person_page(
    request: PageRequest, subject: CurrentSubject, user_id: FromPath[UserId], place: QueryText = None
) -> Response[Any]:
    """One person and what they may do where; `place` narrows the places to choose from by their names and codes."""
    reads_all = subject.can("person.read")
    person = await people.get_person(subject, user_id) if reads_all else await people.find_person(subject, user_id)
    grants = await rights.list_grants(subject, user_id)
    known = await whole(lambda after, limit: list_faculties(subject, after_id=after, limit=limit))
    faculties = [row for row in known if subject.can("grant.write", faculty_id=row.id)]
    named = [row for row in faculties if (place or "").casefold() in f"{row.code} {row.name}".casefold()]
    courses = await list_courses(subject, text=place or None, limit=PLACES_SHOWN + 1)
    granted = await _courses_of(subject, grants)
    return render(
        request,
        "person.html",
        person=person,
        grants=grants,
        roles=await rights.list_roles(subject),
        faculties=named[:PLACES_SHOWN],
        courses=[row for row in courses[:PLACES_SHOWN] if subject.can("grant.write", course_ref(row))],
        place=place or "",
        too_many=max(len(named), len(courses)) > PLACES_SHOWN,
        searchable=bool(place) or max(len(faculties), len(courses)) > PLACES_SHOWN,
        place_names={row.id: row.name for row in known} | {row.id: row.title for row in granted.values()},
        may_write=reads_all and subject.can("person.write"),
        may_grant=subject.can_anywhere("grant.write"),
        may_grant_everywhere=subject.can("grant.write"),
        may_take={grant.id for grant in grants if _may_take(subject, grant, granted)},
        is_self=user_id == subject.user_id,
    )


async def _found_elsewhere(subject: Subject, text: str | None, shown: Sequence[PersonRow]) -> list[FoundPerson]:
    """Return whom somebody who reads the people of some places alone finds in the rest of the tenant."""
    if not text or subject.can("person.read"):
        return []
    known = {person.id for person in shown}
    return [person for person in await people.find_people(subject, text) if person.id not in known]


async def _courses_of(subject: Subject, grants: Sequence[GrantRow]) -> dict[UUID, CourseRow]:
    """Return the courses that the grants mean, of those the reader may read."""
    courses: dict[UUID, CourseRow] = {}
    for course_id in {grant.course_id for grant in grants if grant.course_id is not None}:
        with contextlib.suppress(CourseNotFound):
            courses[course_id] = await readable_course(subject, course_id)
    return courses


def _may_take(subject: Subject, grant: GrantRow, courses: Mapping[UUID, CourseRow]) -> bool:
    course = courses.get(grant.course_id) if grant.course_id is not None else None
    return subject.can("grant.write", course_ref(course) if course else None, faculty_id=grant.faculty_id)


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
