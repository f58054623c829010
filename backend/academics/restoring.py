"""Taking back deletions of faculties, semesters and courses until the purge date; what lives already is given as it is."""

from backend.academics import events
from backend.academics.access import checked_course
from backend.academics.errors import CodeTaken, FacultyNotFound, ParentDeleted, SemesterNotFound
from backend.academics.jobs import COURSE_RESTORED, CourseRestoredArgs
from backend.identity.revocation import rights_changed
from backend.kit.subject import Subject
from db.errors import UniqueViolation
from db.repositories import academics, courses, enrolments
from db.repositories.academics import FacultyRow, SemesterRow
from db.repositories.courses import CourseRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import CourseId, FacultyId, SemesterId, TenantId


async def restore_faculty(subject: Subject, faculty_id: FacultyId) -> FacultyRow:
    """Show a deleted faculty again, with the semesters that its deletion hid.

    Raises:
        FacultyNotFound, PermissionMissing, CodeTaken
    """
    if not subject.can("course.read", faculty_id=faculty_id):
        raise FacultyNotFound
    subject.require("faculty.write", faculty_id=faculty_id)
    deleted = None
    try:
        async with unit_of_work() as uow:
            deleted = await academics.hold_deleted_faculty(uow, faculty_id, subject.tenant_id)
            if deleted is None:
                return await _live_faculty(subject.tenant_id, faculty_id)
            faculty = await academics.restore_faculty(uow, faculty_id)
            await uow.audit(subject, "faculty.restored", {"faculty_id": faculty_id, "code": faculty.code})
    except UniqueViolation as error:
        raise CodeTaken(deleted.code if deleted else "") from error
    return faculty


async def restore_semester(subject: Subject, semester_id: SemesterId) -> SemesterRow:
    """Show a deleted semester of a live faculty again.

    Raises:
        SemesterNotFound, PermissionMissing, ParentDeleted, CodeTaken
    """
    code = ""
    try:
        async with unit_of_work() as uow:
            deleted = await academics.hold_deleted_semester(uow, semester_id, subject.tenant_id)
            found = deleted or await academics.semester(semester_id, subject.tenant_id)
            if found is None or not subject.can("course.read", faculty_id=found.faculty_id):
                raise SemesterNotFound
            subject.require("semester.write", faculty_id=found.faculty_id)
            if deleted is None:
                return found
            code = deleted.code
            await _hold_faculty(uow, subject.tenant_id, deleted.faculty_id)
            semester = await academics.restore_semester(uow, semester_id)
            about = {"semester_id": semester_id, "faculty_id": semester.faculty_id, "code": code}
            await uow.audit(subject, "semester.restored", about)
    except UniqueViolation as error:
        raise CodeTaken(code) from error
    return semester


async def restore_course(subject: Subject, course_id: CourseId) -> CourseRow:
    """Show a deleted course again, with the enrolments that its deletion ended; its index is looked after by a job.

    Raises:
        CourseNotFound, PermissionMissing, CodeTaken. ParentDeleted: its faculty or semester does not live
    """
    code = ""
    try:
        async with unit_of_work() as uow:
            deleted = await courses.hold_deleted_course(uow, course_id, subject.tenant_id)
            found = checked_course(
                subject, deleted or await courses.course(course_id, subject.tenant_id), "course.write"
            )
            if deleted is None:
                return found
            code = deleted.code
            await _hold_faculty(uow, subject.tenant_id, deleted.faculty_id)
            if await academics.hold_semester(uow, deleted.semester_id, subject.tenant_id, to_change=False) is None:
                raise ParentDeleted("semester")
            return await _restore_course(uow, subject, deleted)
    except UniqueViolation as error:
        raise CodeTaken(code) from error


async def _restore_course(uow: UnitOfWork, subject: Subject, deleted: CourseRow) -> CourseRow:
    deleted_at = await courses.deletion_time(uow, deleted.id)
    learners = await enrolments.resume_all(uow, deleted.id)
    course = await courses.restore_course(uow, deleted.id)
    await rights_changed(uow, learners)
    args = CourseRestoredArgs(course_id=course.id, deleted_at=deleted_at)
    await uow.enqueue(COURSE_RESTORED, args, subject=subject, subject_id=course.id)
    about = {"course_id": course.id, "faculty_id": course.faculty_id, "code": course.code}
    await uow.audit(subject, "course.restored", {**about, "enrolments_resumed": len(learners)})
    await uow.emit(events.COURSE_RESTORED, events.CourseEvent.of(course), subject=subject, subject_id=course.id)
    return course


async def _live_faculty(tenant_id: TenantId, faculty_id: FacultyId) -> FacultyRow:
    faculty = await academics.faculty(faculty_id, tenant_id)
    if faculty is None:
        raise FacultyNotFound
    return faculty


async def _hold_faculty(uow: UnitOfWork, tenant_id: TenantId, faculty_id: FacultyId) -> None:
    if await academics.hold_faculty(uow, faculty_id, tenant_id, to_change=False) is None:
        raise ParentDeleted("faculty")
