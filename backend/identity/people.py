"""What administrators do with people."""

from functools import partial

from msgspec import UNSET

from backend.identity import accounts, sessions
from backend.identity.accounts import normalise_email
from backend.identity.errors import EmailTaken, PersonNotFound
from backend.identity.escalation import check_own_rights, check_rights_of_person, keeps_an_administrator
from backend.identity.events import USER_DISABLED, UserEvent
from backend.identity.revocation import rights_changed
from backend.identity.runtime import runtime
from backend.identity.schemas import FoundPerson, NewPersonInput, PersonChange
from backend.kit.places import places_for
from backend.kit.subject import Subject
from db.errors import UniqueViolation
from db.repositories import people as rows
from db.repositories import rights
from db.repositories import sessions as session_rows
from db.repositories.people import PersonRow, PersonState
from db.unit_of_work import UnitOfWork, unit_of_work
from inference_gateway.purge import purge_answers
from ops.runtime.ids import UserId

READ = "person.read"
FINDS_FROM_CHARACTERS = 3
MOST_FOUND = 20


async def list_people(
    subject: Subject, *, text: str | None, state: PersonState | None, before_id: UserId | None, limit: int
) -> list[PersonRow]:
    """Return people whose name or address contains `text`, newest first.

    Of whoever may read people of some faculties or courses alone: who learns or holds a role there.
    """
    subject.require_somewhere(READ)
    return await rows.search(
        subject.tenant_id, places_for(subject, READ), text=text, state=state, before_id=before_id, limit=limit
    )


async def find_people(subject: Subject, text: str) -> list[FoundPerson]:
    """Return active people of the whole tenant whose address or a word of whose name begins with `text`, at most 20.

    Whoever may read people somewhere finds with it who is to be enrolled or appointed there. Shorter texts find nobody.
    """
    subject.require_somewhere(READ)
    beginning = normalise_email(text)
    if len(beginning) < FINDS_FROM_CHARACTERS:
        return []
    return [_found(row) for row in await rows.beginning_with(subject.tenant_id, beginning, limit=MOST_FOUND)]


async def find_person(subject: Subject, user_id: UserId) -> FoundPerson:
    """Return the little of a person that `find_people` shows.

    Raises:
        PersonNotFound
    """
    subject.require_somewhere(READ)
    return _found(await _existing(subject, user_id))


async def get_person(subject: Subject, user_id: UserId) -> PersonRow:
    """Return a person of the places where one may read people.

    Raises:
        PersonNotFound
    """
    subject.require_somewhere(READ)
    person = await rows.get_in(user_id, subject.tenant_id, places_for(subject, READ))
    if person is None:
        raise PersonNotFound("There is no such person.")
    return person


async def create_person(subject: Subject, new: NewPersonInput) -> PersonRow:
    """Make a person; a role is given tenant-wide and needs `grant.write`.

    Raises:
        EmailTaken, PasswordWeak, InputRefused: no such role. MoreThanOwnRights
    """
    subject.require("person.write")
    password_hash = await accounts.new_password_hash(new.password, new.email)
    async with unit_of_work() as uow:
        person = await accounts.add_person(
            uow,
            subject.tenant_id,
            email=new.email,
            display_name=new.display_name,
            password_hash=password_hash,
            locale=new.locale,
        )
        if new.role is not None:
            await _give_role(uow, subject, person.id, new.role)
        await uow.audit(subject, "person.created", {"user_id": person.id, "role": new.role})
    return person


async def change_person(subject: Subject, user_id: UserId, change: PersonChange) -> PersonRow:
    """Change a person; who is disabled is signed out everywhere and cannot sign in.

    Raises:
        PersonNotFound, EmailTaken, LastAdministrator. MoreThanOwnRights: a new address or state for who holds more
    """
    subject.require("person.write")
    email = None if change.email is UNSET else (change.email.strip(), normalise_email(change.email))
    state = None if change.state is UNSET else change.state
    try:
        async with unit_of_work() as uow, keeps_an_administrator(uow, subject.tenant_id):
            if email is not None or state is not None:
                await check_rights_of_person(subject, user_id)
            known = await rows.get(user_id, subject.tenant_id)
            person = await rows.update(
                uow,
                user_id,
                subject.tenant_id,
                email=email,
                display_name=None if change.display_name is UNSET else change.display_name.strip(),
                locale=None if change.locale is UNSET else change.locale,
                state=state,
            )
            if person is None:
                raise PersonNotFound("There is no such person.")
            await rights_changed(uow, [user_id])
            if state == "disabled":
                await _sign_out_everywhere(uow, user_id, "disabled")
            fields = [name for name in change.__struct_fields__ if getattr(change, name) is not UNSET]
            await uow.audit(subject, "person.changed", {"user_id": user_id, "fields": fields, "state": state})
            if state == "disabled" and known is not None and known.state != "disabled":
                await uow.emit(USER_DISABLED, UserEvent(user_id=user_id), subject=subject, subject_id=user_id)
    except UniqueViolation as error:
        raise EmailTaken from error
    return person


async def delete_person(subject: Subject, user_id: UserId) -> None:
    """Hide a person until the purge date and sign them out everywhere.

    Raises:
        PersonNotFound, LastAdministrator. MoreThanOwnRights: they hold more
    """
    subject.require("person.write")
    async with unit_of_work() as uow, keeps_an_administrator(uow, subject.tenant_id):
        await check_rights_of_person(subject, user_id)
        if not await rows.delete(uow, user_id, subject.tenant_id):
            raise PersonNotFound("There is no such person.")
        await rights_changed(uow, [user_id])
        await _sign_out_everywhere(uow, user_id, "deleted")
        await uow.audit(subject, "person.deleted", {"user_id": user_id})
        uow.after_commit(partial(_forget_answers, user_id))


async def _forget_answers(user_id: UserId) -> None:
    """Nobody can ask for them any more; without Redis they end within a day."""
    await purge_answers(runtime().redis, f"user:{user_id}")


async def _existing(subject: Subject, user_id: UserId) -> PersonRow:
    person = await rows.get(user_id, subject.tenant_id)
    if person is None:
        raise PersonNotFound("There is no such person.")
    return person


def _found(row: PersonRow) -> FoundPerson:
    return FoundPerson(id=row.id, email=row.email, display_name=row.display_name, state=row.state)


async def _give_role(uow: UnitOfWork, subject: Subject, user_id: UserId, name: str) -> None:
    subject.require("grant.write")
    role = await rights.hold_role_named(uow, name, subject.tenant_id)
    if role is not None:
        check_own_rights(subject, role.permissions)
    await accounts.give_role(uow, subject.tenant_id, user_id, name, created_by=subject.user_id)


async def _sign_out_everywhere(uow: UnitOfWork, user_id: UserId, reason: str) -> None:
    await sessions.end_all(uow, user_id, reason)
    await session_rows.withdraw_one_time(uow, "sign-in-link", user_id)
