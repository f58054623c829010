"""Faculties and semesters."""

from msgspec import UNSET

from backend.academics.access import places_for, places_to_restore, readable_faculty, readable_semester
from backend.academics.errors import CodeTaken, FacultyNotFound, PlacementRefused, SemesterNotFound, StillInUse
from backend.academics.schemas import FacultyChange, NewFaculty, NewSemester, SemesterChange
from backend.kit.subject import Subject
from db.errors import CheckViolation, UniqueViolation
from db.repositories import academics as rows
from db.repositories import courses
from db.repositories.academics import FacultyRow, SemesterRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import FacultyId, SemesterId


async def list_faculties(
    subject: Subject, *, deleted: bool = False, after_id: FacultyId | None = None, limit: int
) -> list[FacultyRow]:
    """Return the faculties that are the person's and those whose courses they may read, or may restore, by id."""
    places = places_to_restore(subject, "faculty.write") if deleted else places_for(subject)
    return await rows.faculties(subject.tenant_id, places, deleted=deleted, after_id=after_id, limit=limit)


async def create_faculty(subject: Subject, new: NewFaculty) -> FacultyRow:
    """Make a faculty.

    Raises:
        CodeTaken
    """
    subject.require("faculty.write")
    try:
        async with unit_of_work() as uow:
            faculty = await rows.add_faculty(uow, subject.tenant_id, name=new.name, code=new.code)
            await uow.audit(subject, "faculty.created", {"faculty_id": faculty.id, "code": faculty.code})
    except UniqueViolation as error:
        raise CodeTaken(new.code) from error
    return faculty


async def change_faculty(subject: Subject, faculty_id: FacultyId, change: FacultyChange) -> FacultyRow:
    """Change a faculty.

    Raises:
        FacultyNotFound, CodeTaken
    """
    await readable_faculty(subject, faculty_id)
    subject.require("faculty.write", faculty_id=faculty_id)
    code = None if change.code is UNSET else change.code
    try:
        async with unit_of_work() as uow:
            if await rows.hold_faculty(uow, faculty_id, subject.tenant_id, to_change=True) is None:
                raise FacultyNotFound
            name = None if change.name is UNSET else change.name
            faculty = await rows.update_faculty(uow, faculty_id, name=name, code=code)
            await uow.audit(subject, "faculty.changed", {"faculty_id": faculty_id, "code": faculty.code})
    except UniqueViolation as error:
        raise CodeTaken(code or "of this faculty") from error
    return faculty


async def delete_faculty(subject: Subject, faculty_id: FacultyId) -> None:
    """Hide a faculty without courses, and its semesters, until the purge date.

    Raises:
        FacultyNotFound, StillInUse
    """
    await readable_faculty(subject, faculty_id)
    subject.require("faculty.write", faculty_id=faculty_id)
    async with unit_of_work() as uow:
        if await rows.hold_faculty(uow, faculty_id, subject.tenant_id, to_change=True) is None:
            raise FacultyNotFound
        if count := await courses.live_courses(faculty_id=faculty_id):
            raise StillInUse(count)
        await rows.delete_faculty(uow, faculty_id)
        await uow.audit(subject, "faculty.deleted", {"faculty_id": faculty_id})


async def list_semesters(
    subject: Subject,
    *,
    deleted: bool = False,
    faculty_id: FacultyId | None = None,
    after_id: SemesterId | None = None,
    limit: int,
) -> list[SemesterRow]:
    """Return the semesters of the person's faculties and those of courses they may read, or may restore, by id."""
    places = places_to_restore(subject, "semester.write") if deleted else places_for(subject)
    return await rows.semesters(
        subject.tenant_id, places, deleted=deleted, faculty_id=faculty_id, after_id=after_id, limit=limit
    )


async def create_semester(subject: Subject, new: NewSemester) -> SemesterRow:
    """Make a semester.

    Raises:
        FacultyNotFound, PlacementRefused: it ends before it starts. CodeTaken
    """
    await readable_faculty(subject, new.faculty_id)
    subject.require("semester.write", faculty_id=new.faculty_id)
    if new.ends_on < new.starts_on:
        raise PlacementRefused("/ends_on", "The semester would end before it starts.")
    try:
        async with unit_of_work() as uow:
            if await rows.hold_faculty(uow, new.faculty_id, subject.tenant_id, to_change=False) is None:
                raise FacultyNotFound
            semester = await rows.add_semester(
                uow,
                subject.tenant_id,
                new.faculty_id,
                name=new.name,
                code=new.code,
                starts_on=new.starts_on,
                ends_on=new.ends_on,
            )
            await uow.audit(subject, "semester.created", _about(semester))
    except UniqueViolation as error:
        raise CodeTaken(new.code) from error
    return semester


async def change_semester(subject: Subject, semester_id: SemesterId, change: SemesterChange) -> SemesterRow:
    """Change a semester.

    Raises:
        SemesterNotFound, PlacementRefused: it would end before it starts. CodeTaken
    """
    known = await readable_semester(subject, semester_id)
    subject.require("semester.write", faculty_id=known.faculty_id)
    code = None if change.code is UNSET else change.code
    try:
        async with unit_of_work() as uow:
            if await rows.hold_semester(uow, semester_id, subject.tenant_id, to_change=True) is None:
                raise SemesterNotFound
            semester = await rows.update_semester(
                uow,
                semester_id,
                name=None if change.name is UNSET else change.name,
                code=code,
                starts_on=None if change.starts_on is UNSET else change.starts_on,
                ends_on=None if change.ends_on is UNSET else change.ends_on,
            )
            await uow.audit(subject, "semester.changed", _about(semester))
    except UniqueViolation as error:
        raise CodeTaken(code or "of this semester") from error
    except CheckViolation as error:
        raise PlacementRefused("/ends_on", "The semester would end before it starts.") from error
    return semester


async def delete_semester(subject: Subject, semester_id: SemesterId) -> None:
    """Hide a semester without courses until the purge date.

    Raises:
        SemesterNotFound, StillInUse
    """
    known = await readable_semester(subject, semester_id)
    subject.require("semester.write", faculty_id=known.faculty_id)
    async with unit_of_work() as uow:
        if await rows.hold_semester(uow, semester_id, subject.tenant_id, to_change=True) is None:
            raise SemesterNotFound
        if count := await courses.live_courses(semester_id=semester_id):
            raise StillInUse(count)
        await rows.delete_semester(uow, semester_id)
        await uow.audit(subject, "semester.deleted", _about(known))


def _about(semester: SemesterRow) -> dict[str, object]:
    return {"semester_id": semester.id, "faculty_id": semester.faculty_id, "code": semester.code}
