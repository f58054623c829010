"""Making one's own account: at once in development, elsewhere for addresses of listed domains and after a confirmation.

An address is not proven by typing it. Outside development the account is therefore made disabled and without the password
that was sent: an administrator enables it and sends a sign-in link to the address, behind which the password is chosen.
Whoever registers somebody else's address gains nothing by it, and is not told whether it has an account.
"""

from backend.identity import accounts, passwords
from backend.identity.accounts import ensure_default_tenant, normalise_email
from backend.identity.errors import EmailTaken, RegistrationClosed
from backend.identity.runtime import runtime
from backend.identity.schemas import Registration
from db.repositories import people
from db.repositories.identity import TenantRow
from db.repositories.people import PersonRow, PersonState
from db.unit_of_work import unit_of_work

ROLE = "student"


async def register(new: Registration) -> PersonRow | None:
    """Make a student's account in the installation's tenant; None for one that waits for its confirmation, or was there.

    Raises:
        RegistrationClosed: outside development, for addresses of no domain in LYCEUM_REGISTRATION_DOMAINS.
        PasswordWeak. EmailTaken: in development
    """
    if runtime().is_development:
        password_hash = await accounts.new_password_hash(new.password, new.email)
        return await _add(await ensure_default_tenant(), new, password_hash, "active")
    if normalise_email(new.email).rpartition("@")[2] not in runtime().registration_domains:
        raise RegistrationClosed
    passwords.check_policy(new.password, new.email, pointer="/password")
    tenant = await ensure_default_tenant()
    try:
        await _add(tenant, new, None, "disabled")
    except EmailTaken:
        await _note_repeated(tenant, new.email)
    return None


async def _add(tenant: TenantRow, new: Registration, password_hash: str | None, state: PersonState) -> PersonRow:
    async with unit_of_work() as uow:
        person = await accounts.add_person(
            uow,
            tenant.id,
            email=new.email,
            display_name=new.display_name,
            password_hash=password_hash,
            locale=new.locale,
            state=state,
        )
        await accounts.give_role(uow, tenant.id, person.id, ROLE)
        about = {"user_id": person.id, "state": state}
        await uow.audit(None, "person.registered", about, tenant_id=tenant.id)
    return person


async def _note_repeated(tenant: TenantRow, email: str) -> None:
    person = await people.find_email(normalise_email(email))
    known_here = person is not None and person.tenant_id == tenant.id
    async with unit_of_work() as uow:
        about = {"user_id": person.id if person is not None and known_here else None}
        await uow.audit(None, "person.registration_repeated", about, tenant_id=tenant.id)
