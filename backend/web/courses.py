"""The courses of a person and what a course holds: documents, search, people."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from backend.academics import enrolments, service
from backend.academics.access import course_ref
from backend.academics.places import list_faculties, list_semesters
from backend.documents.schemas import DocumentView
from backend.documents.service import list_documents
from backend.identity.rights import list_roles_to_give
from backend.kit.http import CurrentSubject, PageCursor, QueryText, permission, signed_in
from backend.kit.pagination import MAX_LIMIT, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render
from db.repositories.courses import CourseRow
from ops.runtime.ids import CourseId, EnrolmentId

COURSES_SHOWN = 24
DOCUMENTS_SHOWN = 50
ENROLMENTS_SHOWN = 50


class ByCourse(msgspec.Struct, frozen=True):
    """Where a page of courses ended."""

    id: CourseId


class ByEnrolment(msgspec.Struct, frozen=True):
    """Where a page of enrolments ended."""

    id: EnrolmentId


class CourseHead(msgspec.Struct, frozen=True, kw_only=True):
    """A course with the names of its place and what the reader may do in it."""

    row: CourseRow
    faculty: str
    semester: str
    may_upload: bool
    may_search: bool
    may_ask: bool
    may_see_learners: bool
    may_enrol: bool
    may_grant: bool

    @property
    def id(self) -> CourseId:
        """The course's id."""
        return self.row.id


@get("/courses", opt=signed_in())
async def my_courses(
    request: PageRequest, subject: CurrentSubject, q: QueryText = None, cursor: PageCursor = None
) -> Response[Any]:
    """The courses the person may read."""
    after = decode_cursor(cursor, ByCourse)
    rows = await service.list_courses(
        subject, text=q or None, after_id=after.id if after else None, limit=COURSES_SHOWN + 1
    )
    page = page_of(rows, COURSES_SHOWN, lambda row: ByCourse(row.id))
    names = await _places(subject)
    heads = [_head(subject, row, names) for row in page.items]
    return render(
        request,
        "courses.html",
        courses=heads,
        next_cursor=page.next_cursor,
        q=q or "",
        may_create=subject.can_anywhere("course.write"),
    )


@get("/courses/{course_id:uuid}", opt=permission("document.read"))
async def course_documents(
    request: PageRequest, subject: CurrentSubject, course_id: FromPath[CourseId], cursor: PageCursor = None
) -> Response[Any]:
    """The documents of a course, for whoever may with upload."""
    course = await course_head(subject, course_id)
    page = await list_documents(subject, course_id, cursor=cursor, limit=DOCUMENTS_SHOWN)
    return render(
        request,
        "course_documents.html",
        course=course,
        teachers=await service.list_teachers(subject, course_id),
        documents=page.items,
        deleted=await _deleted_documents(subject, course) if cursor is None else [],
        next_cursor=page.next_cursor,
        first=cursor is None,
        max_upload_bytes=request.app.state.settings.max_upload_bytes,
    )


async def _deleted_documents(subject: Subject, course: CourseHead) -> Sequence[DocumentView]:
    if not course.may_upload:
        return []
    return (await list_documents(subject, course.id, deleted=True, cursor=None, limit=MAX_LIMIT)).items


@get("/courses/{course_id:uuid}/search", opt=permission("search.use"))
async def course_search(request: PageRequest, subject: CurrentSubject, course_id: FromPath[CourseId]) -> Response[Any]:
    """Try what a question finds; the module asks the API, because a search is an act."""
    course = await course_head(subject, course_id, "search.use")
    return render(request, "course_search.html", course=course)


@get("/courses/{course_id:uuid}/people", opt=permission("course.read"))
async def course_people(
    request: PageRequest, subject: CurrentSubject, course_id: FromPath[CourseId], cursor: PageCursor = None
) -> Response[Any]:
    """Who teaches and who learns."""
    course = await course_head(subject, course_id)
    learners, next_cursor = [], None
    if course.may_see_learners:
        after = decode_cursor(cursor, ByEnrolment)
        rows = await enrolments.list_enrolments(
            subject, course_id, after_id=after.id if after else None, limit=ENROLMENTS_SHOWN + 1
        )
        page = page_of(rows, ENROLMENTS_SHOWN, lambda row: ByEnrolment(row.id))
        learners, next_cursor = list(page.items), page.next_cursor
    return render(
        request,
        "course_people.html",
        course=course,
        teachers=await service.list_teachers(subject, course_id),
        teaching_roles=await _teaching_roles(subject, course) if course.may_grant else [],
        learners=learners,
        next_cursor=next_cursor,
    )


async def course_head(subject: Subject, course_id: CourseId, needs: str | None = None) -> CourseHead:
    """Return a course the person may read, and in which they hold `needs`.

    Raises:
        CourseNotFound, PermissionMissing
    """
    row = await service.readable_course(subject, course_id, needs)
    return _head(subject, row, await _places(subject))


def _head(subject: Subject, row: CourseRow, names: Mapping[UUID, str]) -> CourseHead:
    ref = course_ref(row)
    return CourseHead(
        row=row,
        faculty=names.get(row.faculty_id, ""),
        semester=names.get(row.semester_id, ""),
        may_upload=subject.can("document.write", ref),
        may_search=subject.can("search.use", ref),
        may_ask=subject.can("chat.use", ref),
        may_see_learners=subject.can("enrolment.read", ref),
        may_enrol=subject.can("enrolment.write", ref),
        may_grant=subject.can("grant.write", ref) and subject.can_anywhere("person.read"),
    )


async def _places(subject: Subject) -> dict[UUID, str]:
    faculties = await whole(lambda after, limit: list_faculties(subject, after_id=after, limit=limit))
    semesters = await whole(lambda after, limit: list_semesters(subject, after_id=after, limit=limit))
    return {row.id: row.name for row in faculties} | {row.id: row.name for row in semesters}


async def _teaching_roles(subject: Subject, course: CourseHead) -> list[str]:
    roles = await list_roles_to_give(subject, course_ref(course.row))
    return [role.name for role in roles if service.TEACHING in role.permissions]


handlers = [my_courses, course_documents, course_search, course_people]
