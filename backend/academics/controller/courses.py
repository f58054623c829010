"""Courses and who teaches them."""

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from backend.academics import restoring, service
from backend.academics.schemas import CourseChange, NewCourse
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, QueryText, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page, decode_cursor, page_of
from db.repositories.courses import CourseRow
from db.repositories.rights import TeacherRow
from ops.runtime.ids import CourseId, FacultyId, SemesterId


class ByCourse(msgspec.Struct, frozen=True):
    id: CourseId


class CourseController(Controller):
    path = "/api/v1/courses"
    tags = ("academics",)

    @get(opt=permission("course.read"))
    async def list_courses(
        self,
        subject: CurrentSubject,
        faculty_id: FromQuery[FacultyId | None] = None,
        semester_id: FromQuery[SemesterId | None] = None,
        q: QueryText = None,
        teaching: FromQuery[bool] = False,
        deleted: FromQuery[bool] = False,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[CourseRow]:
        """The courses one may read, or with `teaching=true` those one teaches, or with `deleted=true` those one may restore."""
        after = decode_cursor(cursor, ByCourse)
        rows = await service.list_courses(
            subject,
            faculty_id=faculty_id,
            semester_id=semester_id,
            text=q or None,
            teaching=teaching,
            deleted=deleted,
            after_id=after.id if after else None,
            limit=limit + 1,
        )
        return page_of(rows, limit, lambda row: ByCourse(row.id))

    @post(opt=permission("course.write"), status_code=HTTP_201_CREATED)
    async def create_course(self, subject: CurrentSubject, data: JSONBody[NewCourse]) -> CourseRow:
        """Make a course in a semester of its faculty."""
        return await service.create_course(subject, data)

    @get("/{course_id:uuid}", opt=permission("course.read"))
    async def get_course(self, subject: CurrentSubject, course_id: FromPath[CourseId]) -> CourseRow:
        """One course."""
        return await service.readable_course(subject, course_id)

    @patch("/{course_id:uuid}", opt=permission("course.write"))
    async def change_course(
        self, subject: CurrentSubject, course_id: FromPath[CourseId], data: JSONBody[CourseChange]
    ) -> CourseRow:
        """Change or move a course; what is left out stays."""
        return await service.change_course(subject, course_id, data)

    @delete("/{course_id:uuid}", opt=permission("course.write"))
    async def delete_course(self, subject: CurrentSubject, course_id: FromPath[CourseId]) -> None:
        """Delete a course: its enrolments end and its documents are hidden from the next request on."""
        await service.delete_course(subject, course_id)

    @post("/{course_id:uuid}/restore", opt=permission("course.write"), status_code=HTTP_200_OK)
    async def restore_course(self, subject: CurrentSubject, course_id: FromPath[CourseId]) -> CourseRow:
        """Take back the deletion of a course until its purge date; the enrolments that ended with it go on."""
        return await restoring.restore_course(subject, course_id)

    @get("/{course_id:uuid}/teachers", opt=permission("course.read"))
    async def list_teachers(self, subject: CurrentSubject, course_id: FromPath[CourseId]) -> Page[TeacherRow]:
        """Who teaches the course."""
        return Page(items=await service.list_teachers(subject, course_id))
