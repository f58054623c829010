"""The events about courses and who learns in them."""

from typing import Final

import msgspec

from db.events import EventKind
from db.repositories.courses import CourseRow
from ops.runtime.ids import CourseId, EnrolmentId, FacultyId, SemesterId, UserId


class CourseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Which course, and where it stands now."""

    course_id: CourseId
    faculty_id: FacultyId
    semester_id: SemesterId
    code: str

    @classmethod
    def of(cls, course: CourseRow) -> "CourseEvent":
        """Tell of a course as it is stored."""
        return cls(course_id=course.id, faculty_id=course.faculty_id, semester_id=course.semester_id, code=course.code)


class EnrolmentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Who learns, or no longer learns, in a course."""

    enrolment_id: EnrolmentId
    course_id: CourseId
    user_id: UserId


COURSE_CREATED: Final = EventKind(name="course.created", version=1, payload=CourseEvent)
COURSE_UPDATED: Final = EventKind(name="course.updated", version=1, payload=CourseEvent)
COURSE_DELETED: Final = EventKind(name="course.deleted", version=1, payload=CourseEvent)
"""All enrolments end with the course, and come back with it, without events of their own."""
COURSE_RESTORED: Final = EventKind(name="course.restored", version=1, payload=CourseEvent)
ENROLMENT_CREATED: Final = EventKind(name="enrolment.created", version=1, payload=EnrolmentEvent)
ENROLMENT_ENDED: Final = EventKind(name="enrolment.ended", version=1, payload=EnrolmentEvent)
