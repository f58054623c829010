"""Enrolments: one by one or in bulk. Whoever is enrolled or leaves has the new rights from their next request on."""

from uuid import UUID

from backend.academics.access import checked_course, readable_course
from backend.academics.errors import AlreadyEnrolled, EnrolmentNotFound, LearnerNotFound
from backend.academics.events import ENROLMENT_CREATED, ENROLMENT_ENDED, EnrolmentEvent
from backend.academics.schemas import EnrolmentAnswer
from backend.identity.accounts import normalise_email
from backend.identity.revocation import rights_changed
from backend.kit.subject import Subject
from db.repositories import courses, people
from db.repositories import enrolments as rows
from db.repositories.enrolments import EnrolmentRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import CourseId, EnrolmentId, UserId


async def list_enrolments(
    subject: Subject, course_id: CourseId, *, after_id: EnrolmentId | None = None, limit: int
) -> list[EnrolmentRow]:
    """Return who learns in the course, oldest enrolment first.

    Raises:
        CourseNotFound
    """
    await readable_course(subject, course_id, "enrolment.read")
    return await rows.active(course_id, after_id=after_id, limit=limit)


async def get_enrolment(subject: Subject, course_id: CourseId, enrolment_id: EnrolmentId) -> EnrolmentRow:
    """Return one enrolment.

    Raises:
        CourseNotFound, EnrolmentNotFound
    """
    await readable_course(subject, course_id, "enrolment.read")
    found = await rows.one(course_id, enrolment_id)
    if found is None:
        raise EnrolmentNotFound
    return found


async def enrol(subject: Subject, course_id: CourseId, user_id: UserId) -> EnrolmentRow:
    """Enrol one person of the tenant.

    Raises:
        CourseNotFound, LearnerNotFound, AlreadyEnrolled
    """
    async with unit_of_work() as uow:
        await _hold(uow, subject, course_id)
        person = await people.get(user_id, subject.tenant_id)
        if person is None or person.state != "active":
            raise LearnerNotFound
        added = await _add(uow, subject, course_id, [user_id])
        if user_id not in added:
            raise AlreadyEnrolled
        enrolment = await rows.one(course_id, added[user_id])
    assert enrolment is not None
    return enrolment


async def enrol_by_email(subject: Subject, course_id: CourseId, emails: list[str]) -> list[EnrolmentAnswer]:
    """Enrol people by address, all in one transaction; addresses nobody of the tenant has are answered, not refused.

    Raises:
        CourseNotFound
    """
    normalised = [normalise_email(email) for email in emails]
    async with unit_of_work() as uow:
        await _hold(uow, subject, course_id)
        known = {row.email_normalised: row.user_id for row in await rows.known_emails(subject.tenant_id, normalised)}
        added = await _add(uow, subject, course_id, list(known.values()))
    answers: list[EnrolmentAnswer] = []
    answered: set[str] = set()
    for email, key in zip(emails, normalised, strict=True):
        answers.append(_answer(email, known.get(key), added, repeated=key in answered))
        answered.add(key)
    return answers


async def end_enrolment(subject: Subject, course_id: CourseId, enrolment_id: EnrolmentId) -> None:
    """End an enrolment.

    Raises:
        CourseNotFound, EnrolmentNotFound
    """
    async with unit_of_work() as uow:
        await _hold(uow, subject, course_id)
        user_id = await rows.end(uow, course_id, enrolment_id)
        if user_id is None:
            raise EnrolmentNotFound
        await rights_changed(uow, [user_id])
        about = {"course_id": course_id, "enrolment_id": enrolment_id, "user_id": user_id}
        await uow.audit(subject, "enrolment.ended", about)
        ended = EnrolmentEvent(enrolment_id=enrolment_id, course_id=course_id, user_id=user_id)
        await uow.emit(ENROLMENT_ENDED, ended, subject=subject, subject_id=enrolment_id)


async def _hold(uow: UnitOfWork, subject: Subject, course_id: CourseId) -> None:
    course = await courses.hold_course(uow, course_id, subject.tenant_id, to_change=False)
    checked_course(subject, course, "enrolment.write")


async def _add(
    uow: UnitOfWork, subject: Subject, course_id: CourseId, user_ids: list[UserId]
) -> dict[UUID, EnrolmentId]:
    added = await rows.add(uow, subject.tenant_id, course_id, user_ids, subject.user_id)
    if added:
        await rights_changed(uow, added)
        await uow.audit(subject, "enrolment.created", {"course_id": course_id, "user_ids": sorted(map(str, added))})
        created = [
            EnrolmentEvent(enrolment_id=enrolment_id, course_id=course_id, user_id=UserId(user_id))
            for user_id, enrolment_id in added.items()
        ]
        await uow.emit_each(ENROLMENT_CREATED, created, subject=subject)
    return added


def _answer(email: str, user_id: UserId | None, added: dict[UUID, EnrolmentId], *, repeated: bool) -> EnrolmentAnswer:
    if repeated:
        return EnrolmentAnswer(email=email, status="repeated", user_id=user_id)
    if user_id is None:
        return EnrolmentAnswer(email=email, status="unknown")
    if user_id in added:
        return EnrolmentAnswer(email=email, status="enrolled", user_id=user_id, id=added[user_id])
    return EnrolmentAnswer(email=email, status="already-enrolled", user_id=user_id)
