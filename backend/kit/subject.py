"""The person a request or job acts for, and what that person may do where."""

from typing import Literal

import msgspec

from backend.errors import PermissionMissing
from backend.kit.permissions import LEARNER_PERMISSIONS
from ops.runtime.ids import CourseId, FacultyId, SessionId, TenantId, UserId

Locale = Literal["en", "ar"]


class CourseRef(msgspec.Struct, frozen=True):
    """A course and the faculty that owns it: enough to decide a permission."""

    course_id: CourseId
    faculty_id: FacultyId


class GrantedPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """Permissions of one role in one place; without faculty and course: in the whole tenant."""

    permissions: frozenset[str]
    faculty_id: FacultyId | None = None
    course_id: CourseId | None = None

    def covers(self, course: CourseRef | None, faculty_id: FacultyId | None) -> bool:
        """Tell whether the grant reaches that course, that faculty, or, without either, the tenant."""
        if self.course_id is not None:
            return course is not None and course.course_id == self.course_id
        if self.faculty_id is not None:
            return self.faculty_id == (course.faculty_id if course else faculty_id)
        return True


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts. Built anew from Postgres, or from a cached row of the same authority epoch, for each request and job."""

    tenant_id: TenantId
    user_id: UserId
    session_id: SessionId | None = None
    display_name: str = ""
    email: str = ""
    locale: Locale = "en"
    authority_epoch: int = 0
    grants: tuple[GrantedPermissions, ...] = ()
    enrolled: frozenset[CourseId] = frozenset()

    def can(self, permission: str, course: CourseRef | None = None, *, faculty_id: FacultyId | None = None) -> bool:
        """Tell whether the person holds `permission` in that course, in that faculty, or, without either, in the whole tenant."""
        if any(permission in grant.permissions and grant.covers(course, faculty_id) for grant in self.grants):
            return True
        return (
            course is not None
            and permission in LEARNER_PERMISSIONS
            and course.course_id in self.enrolled
            and self.is_learner
        )

    def can_anywhere(self, permission: str) -> bool:
        """Tell whether there is any place where the person holds `permission`: what a route asks before its service decides."""
        if any(permission in grant.permissions for grant in self.grants):
            return True
        return permission in LEARNER_PERMISSIONS and self.is_learner

    def require(self, permission: str, course: CourseRef | None = None, *, faculty_id: FacultyId | None = None) -> None:
        """Raise `PermissionMissing` (403) unless `can`."""
        if not self.can(permission, course, faculty_id=faculty_id):
            raise PermissionMissing(permission)

    def require_somewhere(self, permission: str) -> None:
        """Raise `PermissionMissing` (403) unless `can_anywhere`: for what the service then narrows to those places."""
        if not self.can_anywhere(permission):
            raise PermissionMissing(permission)

    @property
    def is_learner(self) -> bool:
        """Whether enrolments count: the person holds `course.learn`."""
        return any("course.learn" in grant.permissions for grant in self.grants)

    def tenant_wide(self, permission: str) -> bool:
        """Whether `permission` is held in the whole tenant."""
        return self.can(permission)

    def places(self, permission: str) -> tuple[frozenset[FacultyId], frozenset[CourseId]]:
        """Return the faculties and the courses, enrolments included, where `permission` is held by a narrower grant."""
        held = [grant for grant in self.grants if permission in grant.permissions]
        faculties = frozenset(grant.faculty_id for grant in held if grant.faculty_id is not None)
        courses = frozenset(grant.course_id for grant in held if grant.course_id is not None)
        if permission in LEARNER_PERMISSIONS and self.is_learner:
            courses |= self.enrolled
        return faculties, courses
