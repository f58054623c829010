"""Administration of faculties, semesters and courses."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from backend.academics import places, service
from backend.academics.access import readable_faculty
from backend.kit.http import CurrentSubject, permission
from backend.kit.pagination import MAX_LIMIT
from backend.web.rendering import PageRequest, render
from ops.runtime.ids import FacultyId

READ = permission("course.read")


@get("/admin/academics", opt=READ)
async def faculties_page(request: PageRequest, subject: CurrentSubject) -> Response[Any]:
    """The faculties the person has to do with."""
    return render(
        request,
        "faculties.html",
        faculties=await places.list_faculties(subject, limit=MAX_LIMIT),
        may_create=subject.can("faculty.write"),
    )


@get("/admin/academics/{faculty_id:uuid}", opt=READ)
async def faculty_page(request: PageRequest, subject: CurrentSubject, faculty_id: FromPath[FacultyId]) -> Response[Any]:
    """One faculty with its semesters and courses."""
    return render(
        request,
        "faculty.html",
        faculty=await readable_faculty(subject, faculty_id),
        semesters=await places.list_semesters(subject, faculty_id=faculty_id, limit=MAX_LIMIT),
        courses=await service.list_courses(subject, faculty_id=faculty_id, limit=MAX_LIMIT),
        may_change_faculty=subject.can("faculty.write", faculty_id=faculty_id),
        may_change_semesters=subject.can("semester.write", faculty_id=faculty_id),
        may_change_courses=subject.can("course.write", faculty_id=faculty_id),
    )


handlers = [faculties_page, faculty_page]
