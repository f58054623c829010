"""Loads the demo through the services. Each step finds what an earlier, perhaps interrupted, run has made."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from backend.academics import enrolments, places
from backend.academics import service as academics
from backend.academics.schemas import NewCourse, NewFaculty, NewSemester
from backend.documents import service as documents
from backend.documents.schemas import UploadForm
from backend.identity import rights
from backend.identity import service as identity
from backend.identity.accounts import normalise_email
from backend.identity.errors import EmailTaken, GrantExists
from backend.identity.schemas import NewGrant
from backend.kit.subject import Subject
from db.repositories import people
from ops.demo.catalogue import (
    ADMIN,
    CONTENT,
    FACULTIES,
    LECTURER,
    SEMESTER_CODE,
    SEMESTER_NAME,
    STUDENT,
    DemoCourse,
    DemoFaculty,
    DemoPerson,
    semester_dates,
)
from ops.runtime.ids import CourseId, FacultyId, SemesterId, UserId
from ops.runtime.objects import ObjectStore
from ops.upload import uploaded_file

Tell = Callable[[str], None]
LISTED = 200


class Cast(NamedTuple):
    """The people who act."""

    admin: Subject
    lecturer: UserId


async def load_demo(objects: ObjectStore, password: str, max_upload_bytes: int, tell: Tell) -> None:
    """Make people, faculties, courses and documents that are missing; the people get `password` in any case.

    Raises:
        LyceumError: a service refused, for instance a password that is too weak.
    """
    admin = await identity.subject_for_user(await _person(ADMIN, password, ("admin", "ops")))
    lecturer = await _person(LECTURER, password, ())
    await _person(STUDENT, password, ("student",))
    cast = Cast(admin, lecturer)
    for faculty in FACULTIES:
        faculty_id = await _faculty(admin, faculty)
        semester_id = await _semester(admin, faculty_id)
        for course in faculty.courses:
            course_id = await _course(cast, course, faculty_id, semester_id)
            await _documents(cast, course, course_id, objects, max_upload_bytes)
            tell(f"{course.code} {course.title}")


async def _person(person: DemoPerson, password: str, roles: tuple[str, ...]) -> UserId:
    try:
        made = await identity.create_person(
            None, email=person.email, display_name=person.display_name, password=password, roles=roles, is_demo=True
        )
    except EmailTaken:
        await identity.reset_password(person.email, password)
        found = await people.find_email(normalise_email(person.email))
        assert found is not None
        return found.id
    return made.id


async def _faculty(admin: Subject, faculty: DemoFaculty) -> FacultyId:
    for known in await places.list_faculties(admin, limit=LISTED):
        if known.code == faculty.code:
            return known.id
    return (await places.create_faculty(admin, NewFaculty(name=faculty.name, code=faculty.code))).id


async def _semester(admin: Subject, faculty_id: FacultyId) -> SemesterId:
    for known in await places.list_semesters(admin, faculty_id=faculty_id, limit=LISTED):
        if known.code == SEMESTER_CODE:
            return known.id
    starts_on, ends_on = semester_dates(datetime.now(UTC).date())
    new = NewSemester(
        faculty_id=faculty_id, name=SEMESTER_NAME, code=SEMESTER_CODE, starts_on=starts_on, ends_on=ends_on
    )
    return (await places.create_semester(admin, new)).id


async def _course(cast: Cast, course: DemoCourse, faculty_id: FacultyId, semester_id: SemesterId) -> CourseId:
    known = await academics.list_courses(cast.admin, semester_id=semester_id, limit=LISTED)
    course_id = next((each.id for each in known if each.code == course.code), None)
    if course_id is None:
        new = NewCourse(faculty_id=faculty_id, semester_id=semester_id, code=course.code, title=course.title)
        course_id = (await academics.create_course(cast.admin, new)).id
    if course.attended:
        await enrolments.enrol_by_email(cast.admin, course_id, [STUDENT.email])
    if course.taught:
        try:
            await rights.give(cast.admin, cast.lecturer, NewGrant(role="academic", course_id=course_id))
        except GrantExists:
            return course_id
    return course_id


async def _documents(
    cast: Cast, course: DemoCourse, course_id: CourseId, objects: ObjectStore, max_upload_bytes: int
) -> None:
    uploader = await identity.subject_for_user(cast.lecturer) if course.taught else cast.admin
    for name, title in course.documents:
        file = uploaded_file(CONTENT / name, max_upload_bytes)
        await documents.upload(uploader, objects, UploadForm(course_id=course_id, title=title), file)
