"""What the routes of academics take and give; faculties, semesters, courses and enrolments are given as their rows."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ops.runtime.ids import EnrolmentId, FacultyId, SemesterId, UserId

MAX_BULK_EMAILS = 500

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern="[^ \\t\\r\\n]")]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern="^[^ \\t\\r\\n]+( [^ \\t\\r\\n]+)*$(?!\\n)")]
AnyEmail = Annotated[str, msgspec.Meta(min_length=1, max_length=254)]


class NewFaculty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A faculty to make."""

    name: Name
    code: Code


class FacultyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a faculty."""

    name: Name | UnsetType = UNSET
    code: Code | UnsetType = UNSET


class NewSemester(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A semester to make; both dates belong to it."""

    faculty_id: FacultyId
    name: Name
    code: Code
    starts_on: date
    ends_on: date


class SemesterChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a semester; it stays in its faculty."""

    name: Name | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    starts_on: date | UnsetType = UNSET
    ends_on: date | UnsetType = UNSET


class NewCourse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A course to make, in a semester of its faculty."""

    faculty_id: FacultyId
    semester_id: SemesterId
    code: Code
    title: Name


class CourseChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a course; another faculty or semester moves it, with everything in it."""

    faculty_id: FacultyId | UnsetType = UNSET
    semester_id: SemesterId | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    title: Name | UnsetType = UNSET


class NewEnrolments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person by id, or up to 500 by address."""

    user_id: UserId | None = None
    emails: Annotated[list[AnyEmail], msgspec.Meta(min_length=1, max_length=MAX_BULK_EMAILS)] | None = None

    def __post_init__(self) -> None:
        if (self.user_id is None) == (self.emails is None):
            raise ValueError("give either `user_id` or `emails`")


class EnrolmentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one address: enrolled now, enrolled before, not a person of this tenant, or given twice."""

    email: str
    status: Literal["enrolled", "already-enrolled", "unknown", "repeated"]
    user_id: UserId | None = None
    id: EnrolmentId | None = None


class EnrolmentAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """An answer per address, in the order they were given."""

    items: list[EnrolmentAnswer]
