"""Faculties and semesters."""

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from backend.academics import access, places, restoring
from backend.academics.schemas import FacultyChange, NewFaculty, NewSemester, SemesterChange
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page, decode_cursor, page_of
from db.repositories.academics import FacultyRow, SemesterRow
from ops.runtime.ids import FacultyId, SemesterId


class ByFaculty(msgspec.Struct, frozen=True):
    id: FacultyId


class BySemester(msgspec.Struct, frozen=True):
    id: SemesterId


class FacultyController(Controller):
    path = "/api/v1/faculties"
    tags = ("academics",)

    @get(opt=permission("course.read"))
    async def list_faculties(
        self,
        subject: CurrentSubject,
        deleted: FromQuery[bool] = False,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[FacultyRow]:
        """One's faculties and those of courses one may read, or with `deleted=true` those one may restore."""
        after = decode_cursor(cursor, ByFaculty)
        rows = await places.list_faculties(
            subject, deleted=deleted, after_id=after.id if after else None, limit=limit + 1
        )
        return page_of(rows, limit, lambda row: ByFaculty(row.id))

    @post(opt=permission("faculty.write"), status_code=HTTP_201_CREATED)
    async def create_faculty(self, subject: CurrentSubject, data: JSONBody[NewFaculty]) -> FacultyRow:
        """Make a faculty."""
        return await places.create_faculty(subject, data)

    @get("/{faculty_id:uuid}", opt=permission("course.read"))
    async def get_faculty(self, subject: CurrentSubject, faculty_id: FromPath[FacultyId]) -> FacultyRow:
        """One faculty."""
        return await access.readable_faculty(subject, faculty_id)

    @patch("/{faculty_id:uuid}", opt=permission("faculty.write"))
    async def change_faculty(
        self, subject: CurrentSubject, faculty_id: FromPath[FacultyId], data: JSONBody[FacultyChange]
    ) -> FacultyRow:
        """Change a faculty; what is left out stays."""
        return await places.change_faculty(subject, faculty_id, data)

    @delete("/{faculty_id:uuid}", opt=permission("faculty.write"))
    async def delete_faculty(self, subject: CurrentSubject, faculty_id: FromPath[FacultyId]) -> None:
        """Delete a faculty without courses, with its semesters."""
        await places.delete_faculty(subject, faculty_id)

    @post("/{faculty_id:uuid}/restore", opt=permission("faculty.write"), status_code=HTTP_200_OK)
    async def restore_faculty(self, subject: CurrentSubject, faculty_id: FromPath[FacultyId]) -> FacultyRow:
        """Take back the deletion of a faculty until its purge date, with the semesters that were deleted with it."""
        return await restoring.restore_faculty(subject, faculty_id)


class SemesterController(Controller):
    path = "/api/v1/semesters"
    tags = ("academics",)

    @get(opt=permission("course.read"))
    async def list_semesters(
        self,
        subject: CurrentSubject,
        faculty_id: FromQuery[FacultyId | None] = None,
        deleted: FromQuery[bool] = False,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[SemesterRow]:
        """The semesters of one's faculties and of courses one may read, or with `deleted=true` those one may restore."""
        after = decode_cursor(cursor, BySemester)
        rows = await places.list_semesters(
            subject, deleted=deleted, faculty_id=faculty_id, after_id=after.id if after else None, limit=limit + 1
        )
        return page_of(rows, limit, lambda row: BySemester(row.id))

    @post(opt=permission("semester.write"), status_code=HTTP_201_CREATED)
    async def create_semester(self, subject: CurrentSubject, data: JSONBody[NewSemester]) -> SemesterRow:
        """Make a semester of a faculty."""
        return await places.create_semester(subject, data)

    @get("/{semester_id:uuid}", opt=permission("course.read"))
    async def get_semester(self, subject: CurrentSubject, semester_id: FromPath[SemesterId]) -> SemesterRow:
        """One semester."""
        return await access.readable_semester(subject, semester_id)

    @patch("/{semester_id:uuid}", opt=permission("semester.write"))
    async def change_semester(
        self, subject: CurrentSubject, semester_id: FromPath[SemesterId], data: JSONBody[SemesterChange]
    ) -> SemesterRow:
        """Change a semester; what is left out stays."""
        return await places.change_semester(subject, semester_id, data)

    @delete("/{semester_id:uuid}", opt=permission("semester.write"))
    async def delete_semester(self, subject: CurrentSubject, semester_id: FromPath[SemesterId]) -> None:
        """Delete a semester without courses."""
        await places.delete_semester(subject, semester_id)

    @post("/{semester_id:uuid}/restore", opt=permission("semester.write"), status_code=HTTP_200_OK)
    async def restore_semester(self, subject: CurrentSubject, semester_id: FromPath[SemesterId]) -> SemesterRow:
        """Take back the deletion of a semester until its purge date."""
        return await restoring.restore_semester(subject, semester_id)
