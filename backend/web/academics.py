"""Administration of faculties, semesters and courses."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from backend.academics import places, service
from backend.academics.access import readable_faculty
from backend.kit.http import CurrentSubject, PageCursor, permission
from backend.kit.pagination import decode_cursor, page_of
from backend.web.courses import ByCourse
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render
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
        may_change_semesters=subject.can("semester.write", faculty_id=faculty_id),
        may_change_courses=subject.can("course.write", faculty_id=faculty_id),
    )


handlers = [faculties_page, faculty_page]
