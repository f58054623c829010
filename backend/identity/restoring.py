"""Taking back the deletion of people until their purge date."""

from backend.identity.errors import EmailTaken, PersonNotFound
from backend.identity.escalation import check_rights_of_person
from backend.identity.revocation import rights_changed
from backend.kit.places import places_for
from backend.kit.subject import Subject
from db.errors import UniqueViolation
from db.repositories import people as rows
from db.repositories.people import PersonRow, PersonState
from db.unit_of_work import unit_of_work
from ops.runtime.ids import UserId


async def list_deleted_people(
    subject: Subject, *, text: str | None, state: PersonState | None, before_id: UserId | None, limit: int
) -> list[PersonRow]:
    """As `people.list_people`, of those who can be restored."""
    subject.require("person.write")
    return await rows.search(
        subject.tenant_id,
        places_for(subject, "person.write"),
        deleted=True,
        text=text,
        state=state,
        before_id=before_id,
        limit=limit,
    )


async def restore_person(subject: Subject, user_id: UserId) -> PersonRow:
    """Show a deleted person again, with the grants and enrolments they had; their sessions have ended. Who lives stays so.

    Raises:
        PersonNotFound. EmailTaken: by somebody since then. MoreThanOwnRights: they would hold more
    """
    subject.require("person.write")
    try:
        async with unit_of_work() as uow:
            await check_rights_of_person(subject, user_id)
            person = await rows.restore(uow, user_id, subject.tenant_id)
            if person is not None:
                await rights_changed(uow, [user_id])
                await uow.audit(subject, "person.restored", {"user_id": user_id})
    except UniqueViolation as error:
        raise EmailTaken from error
    person = person or await rows.get(user_id, subject.tenant_id)
    if person is None:
        raise PersonNotFound("There is no such person.")
    return person
