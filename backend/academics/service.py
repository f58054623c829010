"""Courses and who learns in them. Faculties and semesters are in `places`; what others need of academics is named here."""

from msgspec import UNSET

from backend.academics.access import (
    checked_course,
    course_ref,
    places_for,
    places_to_restore,
    readable_course,
    readable_faculty,
    readable_semester,
)
from backend.academics.errors import CodeTaken, CourseNotFound, PlacementRefused
from backend.academics.events import COURSE_CREATED, COURSE_DELETED, COURSE_UPDATED, CourseEvent
from backend.academics.jobs import COURSE_MOVED, CourseMovedArgs
from backend.academics.schemas import CourseChange, NewCourse
from backend.identity.revocation import rights_changed
from backend.kit.permissions import LEARNER_PERMISSIONS
from backend.kit.subject import Subject
from db.errors import UniqueViolation
from db.repositories import academics, enrolments, rights
from db.repositories import courses as rows
from db.repositories.courses import CourseRow
from db.repositories.places import Places
from db.repositories.rights import TeacherRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import CourseId, FacultyId, SemesterId
from rag.scope import Scope, ScopedCourse

__all__ = [
    "change_course",
    "course_ref",
    "create_course",
    "delete_course",
    "list_courses",
    "list_teachers",
    "readable_course",
    "readable_faculty",
    "readable_semester",
    "scope_for",
]

TEACHING = "document.write"


async def scope_for(subject: Subject, permission: str = "document.read") -> Scope:
    """Return the courses where the person holds `permission` now, as Postgres says at this moment."""
    readable = await rows.readable_courses(
        subject.tenant_id, subject.user_id, permission, learners_too=permission in LEARNER_PERMISSIONS
    )
    scoped = tuple(
        ScopedCourse(
            course_id=row.course_id,
            faculty_id=row.faculty_id,
            semester_id=row.semester_id,
            document_set_version=row.document_set_version,
        )
        for row in readable
    )
    return Scope(tenant_id=subject.tenant_id, courses=scoped)


async def list_courses(
    subject: Subject,
    *,
    faculty_id: FacultyId | None = None,
    semester_id: SemesterId | None = None,
    text: str | None = None,
    teaching: bool = False,
    deleted: bool = False,
    after_id: CourseId | None = None,
    limit: int,
) -> list[CourseRow]:
    """Return the courses the person may read, by id; `teaching`: those they teach by a grant on the course itself.

    With `deleted`, those they may restore.

    Raises:
        PermissionMissing: there is no place where they could restore any.
    """
    places = places_to_restore(subject, "course.write") if deleted else places_for(subject)
    if teaching and not deleted:
        places = Places(everywhere=False, faculty_ids=(), course_ids=_taught(subject))
    return await rows.courses(
        subject.tenant_id,
        places,
        deleted=deleted,
        faculty_id=faculty_id,
        semester_id=semester_id,
        text=text,
        after_id=after_id,
        limit=limit,
    )


async def list_teachers(subject: Subject, course_id: CourseId) -> list[TeacherRow]:
    """Return who teaches a course.

    Raises:
        CourseNotFound
    """
    course = await readable_course(subject, course_id)
    return await rights.teachers(course.id, TEACHING)


async def create_course(subject: Subject, new: NewCourse) -> CourseRow:
    """Make a course in a semester of its faculty.

    Raises:
        FacultyNotFound, PlacementRefused: no such semester in this faculty. CodeTaken
    """
    await readable_faculty(subject, new.faculty_id)
    subject.require("course.write", faculty_id=new.faculty_id)
    try:
        async with unit_of_work() as uow:
            await _check_placement(uow, subject, new.faculty_id, new.semester_id)
            course = await rows.add_course(
                uow,
                subject.tenant_id,
                faculty_id=new.faculty_id,
                semester_id=new.semester_id,
                code=new.code,
                title=new.title,
            )
            await uow.audit(subject, "course.created", _about(course))
            await uow.emit(COURSE_CREATED, CourseEvent.of(course), subject=subject, subject_id=course.id)
    except UniqueViolation as error:
        raise CodeTaken(new.code) from error
    return course


async def change_course(subject: Subject, course_id: CourseId, change: CourseChange) -> CourseRow:
    """Change a course. A move needs `course.write` in both faculties; the index follows by a job.

    Raises:
        CourseNotFound, FacultyNotFound, PlacementRefused, CodeTaken
    """
    code = None if change.code is UNSET else change.code
    try:
        async with unit_of_work() as uow:
            before = await _held(uow, subject, course_id)
            faculty_id = before.faculty_id if change.faculty_id is UNSET else change.faculty_id
            semester_id = before.semester_id if change.semester_id is UNSET else change.semester_id
            moves = (faculty_id, semester_id) != (before.faculty_id, before.semester_id)
            if moves:
                await readable_faculty(subject, faculty_id)
                subject.require("course.write", faculty_id=faculty_id)
                await _check_placement(uow, subject, faculty_id, semester_id)
            course = await rows.update_course(
                uow,
                course_id,
                faculty_id=faculty_id,
                semester_id=semester_id,
                code=code,
                title=None if change.title is UNSET else change.title,
            )
            if moves:
                await uow.enqueue(
                    COURSE_MOVED, CourseMovedArgs(course_id=course_id), subject=subject, subject_id=course_id
                )
            await uow.audit(subject, "course.moved" if moves else "course.changed", _about(course))
            await uow.emit(COURSE_UPDATED, CourseEvent.of(course), subject=subject, subject_id=course_id)
    except UniqueViolation as error:
        raise CodeTaken(code or "of this course") from error
    return course


async def delete_course(subject: Subject, course_id: CourseId) -> None:
    """Hide a course until its purge date; its enrolments end, and nothing in it is found from the next request on.

    Raises:
        CourseNotFound
    """
    async with unit_of_work() as uow:
        course = await _held(uow, subject, course_id)
        learners = await enrolments.end_all(uow, course_id)
        await rows.delete_course(uow, course_id)
        await rights_changed(uow, learners)
        await uow.audit(subject, "course.deleted", {**_about(course), "enrolments_ended": len(learners)})
        await uow.emit(COURSE_DELETED, CourseEvent.of(course), subject=subject, subject_id=course_id)


async def _held(uow: UnitOfWork, subject: Subject, course_id: CourseId) -> CourseRow:
    course = await rows.hold_course(uow, course_id, subject.tenant_id, to_change=True)
    return checked_course(subject, course, "course.write")


async def _check_placement(uow: UnitOfWork, subject: Subject, faculty_id: FacultyId, semester_id: SemesterId) -> None:
    if await academics.hold_faculty(uow, faculty_id, subject.tenant_id, to_change=False) is None:
        raise CourseNotFound
    semester = await academics.hold_semester(uow, semester_id, subject.tenant_id, to_change=False)
    if semester is None or semester.faculty_id != faculty_id:
        raise PlacementRefused("/semester_id", "There is no such semester in this faculty.")


def _taught(subject: Subject) -> frozenset[CourseId]:
    return frozenset(
        grant.course_id for grant in subject.grants if grant.course_id is not None and TEACHING in grant.permissions
    )


def _about(course: CourseRow) -> dict[str, object]:
    return {
        "course_id": course.id,
        "faculty_id": course.faculty_id,
        "semester_id": course.semester_id,
        "code": course.code,
    }
