"""Makes tenants and people: what registration, administrators and the command line share."""

import unicodedata
from typing import NamedTuple

from backend.identity import passwords
from backend.identity.errors import EmailTaken, InputRefused, TenantTaken
from backend.identity.events import USER_CREATED, UserEvent
from backend.identity.keys import new_wrapped_key
from backend.kit.permissions import BUILTIN_ROLES
from backend.kit.subject import Locale
from db.errors import UniqueViolation
from db.repositories import identity, people, rights
from db.repositories.identity import TenantRow
from db.repositories.people import NewPerson, PersonRow, PersonState
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import TenantId, UserId

DEFAULT_TENANT_SLUG = "main"
DEFAULT_TENANT_NAME = "Lyceum"


class _Tenant(NamedTuple):
    """Whose event it is that somebody is there, whoever added them."""

    tenant_id: TenantId
    user_id: UserId | None = None


def normalise_email(email: str) -> str:
    """Return the form under which an address is unique in the installation."""
    return unicodedata.normalize("NFKC", email).strip().casefold()


async def create_tenant(slug: str, name: str) -> TenantRow:
    """Make a tenant with the built-in roles; the first one becomes the installation's own, where people register.

    Raises:
        TenantTaken: the short name is in use.
    """
    try:
        async with unit_of_work() as uow:
            tenant = await identity.add_tenant(uow, slug, name)
            for role, permissions in BUILTIN_ROLES.items():
                await rights.add_role(uow, tenant.id, role, permissions, is_builtin=True)
            await uow.audit(None, "tenant.created", {"slug": slug}, tenant_id=tenant.id)
    except UniqueViolation as error:
        raise TenantTaken(f"A tenant called {slug} exists.") from error
    return tenant


async def ensure_default_tenant() -> TenantRow:
    """Return the installation's own tenant, made now if there is none."""
    tenant = await identity.default_tenant()
    if tenant is not None:
        return tenant
    try:
        return await create_tenant(DEFAULT_TENANT_SLUG, DEFAULT_TENANT_NAME)
    except TenantTaken:  # another process was first
        tenant = await identity.default_tenant()
        assert tenant is not None
        return tenant


async def add_person(
    uow: UnitOfWork,
    tenant_id: TenantId,
    *,
    email: str,
    display_name: str,
    password_hash: str | None,
    locale: Locale = "en",
    is_demo: bool = False,
    state: PersonState = "active",
) -> PersonRow:
    """Add a person with a key of their own.

    Raises:
        EmailTaken: the address is in use, in whatever tenant.
    """
    user_id = people.new_user_id()
    person = NewPerson(
        id=user_id,
        tenant_id=tenant_id,
        email=email.strip(),
        email_normalised=normalise_email(email),
        display_name=display_name.strip(),
        locale=locale,
        password_hash=password_hash,
        data_key=new_wrapped_key(user_id),
        is_demo=is_demo,
        state=state,
    )
    try:
        added = await people.add(uow, person)
    except UniqueViolation as error:
        raise EmailTaken from error
    await uow.emit(USER_CREATED, UserEvent(user_id=user_id), subject=_Tenant(tenant_id), subject_id=user_id)
    return added


async def give_role(
    uow: UnitOfWork, tenant_id: TenantId, user_id: UserId, role_name: str, *, created_by: UserId | None = None
) -> None:
    """Give a tenant-wide role to somebody who was added in this transaction.

    Raises:
        InputRefused: the tenant has no such role.
    """
    role = await rights.hold_role_named(uow, role_name, tenant_id)
    if role is None:
        raise InputRefused("/role", "There is no role of this name.")
    await rights.add_grant(uow, tenant_id, user_id, role.id, faculty_id=None, course_id=None, created_by=created_by)


async def new_password_hash(password: str | None, email: str, *, pointer: str = "/password") -> str | None:
    """Check a new password against the policy and hash it; None stays None."""
    if password is None:
        return None
    passwords.check_policy(password, email, pointer=pointer)
    return await passwords.hash_password(password)
