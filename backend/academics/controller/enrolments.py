"""Who learns in a course."""

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from backend.academics import enrolments
from backend.academics.schemas import EnrolmentAnswers, NewEnrolments
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page, decode_cursor, page_of
from db.repositories.enrolments import EnrolmentRow
from ops.runtime.ids import CourseId, EnrolmentId


class ByEnrolment(msgspec.Struct, frozen=True):
    id: EnrolmentId


class EnrolmentController(Controller):
    path = "/api/v1/courses/{course_id:uuid}/enrolments"
    tags = ("academics",)

    @get(opt=permission("enrolment.read"))
    async def list_enrolments(
        self,
        subject: CurrentSubject,
        course_id: FromPath[CourseId],
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[EnrolmentRow]:
        """Active enrolments, oldest first."""
        after = decode_cursor(cursor, ByEnrolment)
        rows = await enrolments.list_enrolments(
            subject, course_id, after_id=after.id if after else None, limit=limit + 1
        )
        return page_of(rows, limit, lambda row: ByEnrolment(row.id))

    @post(opt=permission("enrolment.write"), status_code=HTTP_201_CREATED)
    async def create_enrolments(
        self, subject: CurrentSubject, course_id: FromPath[CourseId], data: JSONBody[NewEnrolments]
    ) -> EnrolmentRow | EnrolmentAnswers:
        """Enrol one person by id, or up to 500 by e-mail address with an answer for each."""
        if data.user_id is not None:
            return await enrolments.enrol(subject, course_id, data.user_id)
        return EnrolmentAnswers(items=await enrolments.enrol_by_email(subject, course_id, data.emails or []))

    @get("/{enrolment_id:uuid}", opt=permission("enrolment.read"))
    async def get_enrolment(
        self, subject: CurrentSubject, course_id: FromPath[CourseId], enrolment_id: FromPath[EnrolmentId]
    ) -> EnrolmentRow:
        """One enrolment."""
        return await enrolments.get_enrolment(subject, course_id, enrolment_id)

    @delete("/{enrolment_id:uuid}", opt=permission("enrolment.write"))
    async def end_enrolment(
        self, subject: CurrentSubject, course_id: FromPath[CourseId], enrolment_id: FromPath[EnrolmentId]
    ) -> None:
        """End an enrolment; what it opened is closed from the person's next request on."""
        await enrolments.end_enrolment(subject, course_id, enrolment_id)
