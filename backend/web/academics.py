"""Administration of faculties, semesters and courses."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from backend.academics import places, service
from backend.academics.access import readable_faculty
from backend.kit.http import CurrentSubject, PageCursor, permission
from backend.kit.pagination import MAX_LIMIT, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.web.courses import ByCourse
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render
from db.repositories.academics import FacultyRow, SemesterRow
from db.repositories.courses import CourseRow
from ops.runtime.ids import FacultyId

COURSES_SHOWN = 50
READ = permission("course.read")


@get("/admin/academics", opt=READ)
async def faculties_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """The faculties the person has to do with."""
    return render(
        request,
        "faculties.html",
        faculties=await whole(lambda after, limit: places.list_faculties(subject, after_id=after, limit=limit)),
        deleted=await _deleted_faculties(subject),
        may_create=subject.can("faculty.write"),
    )


@get("/admin/academics/{faculty_id:uuid}", opt=READ)
async def faculty_page(
    request: PageRequest, subject: CurrentSubject, faculty_id: FromPath[FacultyId], cursor: PageCursor = None
) -> Response[Any]:
    """One faculty with its semesters and, page by page, its courses."""
    after = decode_cursor(cursor, ByCourse)
    rows = await service.list_courses(
        subject, faculty_id=faculty_id, after_id=after.id if after else None, limit=COURSES_SHOWN + 1
    )
    page = page_of(rows, COURSES_SHOWN, lambda row: ByCourse(row.id))
    may_change_semesters = subject.can("semester.write", faculty_id=faculty_id)
    may_change_courses = subject.can("course.write", faculty_id=faculty_id)
    return render(
        request,
        "faculty.html",
        faculty=await readable_faculty(subject, faculty_id),
        semesters=await whole(
            lambda after, limit: places.list_semesters(subject, faculty_id=faculty_id, after_id=after, limit=limit)
        ),
        courses=page.items,
        next_cursor=page.next_cursor,
        first=cursor is None,
        may_change_faculty=subject.can("faculty.write", faculty_id=faculty_id),
        deleted_semesters=await _deleted_semesters(subject, faculty_id) if may_change_semesters else [],
        deleted_courses=await _deleted_courses(subject, faculty_id) if may_change_courses else [],
        may_change_semesters=may_change_semesters,
        may_change_courses=may_change_courses,
    )


async def _deleted_faculties(subject: Subject) -> list[FacultyRow]:
    if not subject.can_anywhere("faculty.write"):
        return []
    return await places.list_faculties(subject, deleted=True, limit=MAX_LIMIT)


async def _deleted_semesters(subject: Subject, faculty_id: FacultyId) -> list[SemesterRow]:
    return await places.list_semesters(subject, deleted=True, faculty_id=faculty_id, limit=MAX_LIMIT)


async def _deleted_courses(subject: Subject, faculty_id: FacultyId) -> list[CourseRow]:
    return await service.list_courses(subject, deleted=True, faculty_id=faculty_id, limit=MAX_LIMIT)


handlers = [faculties_page, faculty_page]
