"""What a person may read of academics: what they may not read does not exist for them."""

from backend.academics.errors import CourseNotFound, FacultyNotFound, SemesterNotFound
from backend.kit import places
from backend.kit.subject import CourseRef, Subject
from db.repositories import academics, courses
from db.repositories.academics import FacultyRow, SemesterRow
from db.repositories.courses import CourseRow
from db.repositories.places import Places
from ops.runtime.ids import CourseId, FacultyId, SemesterId


def places_for(subject: Subject) -> Places:
    """Return where the person may read courses."""
    return places.places_for(subject, "course.read")


def places_to_restore(subject: Subject, permission: str) -> Places:
    """Return where the person holds the permission to delete, and so to restore.

    Raises:
        PermissionMissing: nowhere.
    """
    subject.require_somewhere(permission)
    return places.places_for(subject, permission)


def course_ref(course: CourseRow) -> CourseRef:
    """Return what decides permissions in a course."""
    return CourseRef(course.id, course.faculty_id)


async def readable_course(subject: Subject, course_id: CourseId, permission: str | None = None) -> CourseRow:
    """Return a course the person may read and in which they hold `permission`, if one is named.

    Raises:
        CourseNotFound: there is none, or they may not read it. PermissionMissing
    """
    return checked_course(subject, await courses.course(course_id, subject.tenant_id), permission)


def checked_course(subject: Subject, course: CourseRow | None, permission: str | None = None) -> CourseRow:
    """As `readable_course`, for a row that is read already."""
    if course is None or not subject.can("course.read", course_ref(course)):
        raise CourseNotFound
    if permission is not None:
        subject.require(permission, course_ref(course))
    return course


async def readable_faculty(subject: Subject, faculty_id: FacultyId) -> FacultyRow:
    """Return a faculty that is the person's, or one of whose courses they may read.

    Raises:
        FacultyNotFound
    """
    found = await academics.faculties(
        subject.tenant_id, places_for(subject), only_id=faculty_id, after_id=None, limit=1
    )
    if not found:
        raise FacultyNotFound
    return found[0]


async def readable_semester(subject: Subject, semester_id: SemesterId) -> SemesterRow:
    """Return a semester of a faculty that is the person's, or one of whose courses they may read.

    Raises:
        SemesterNotFound
    """
    found = await academics.semesters(
        subject.tenant_id, places_for(subject), only_id=semester_id, faculty_id=None, after_id=None, limit=1
    )
    if not found:
        raise SemesterNotFound
    return found[0]
