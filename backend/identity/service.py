"""Signing in and out, one's own account, and what the command line makes.

People and links are in `people`, roles and grants in `rights`, sessions in `sessions`; what other domains need of identity is
named here.
"""

import math
from typing import Any

from msgspec import UNSET

from backend.identity import accounts, lockout, passwords, sessions
from backend.identity.accounts import create_tenant, ensure_default_tenant, normalise_email
from backend.identity.authentication import authenticate, authenticate_again, authenticate_socket
from backend.identity.errors import (
    DemoAccountsPresent,
    InputRefused,
    LinkRefused,
    PasswordWrong,
    PersonNotFound,
    SignInFailed,
    SignInLocked,
)
from backend.identity.keys import person_key
from backend.identity.links import make_link
from backend.identity.revocation import rights_changed
from backend.identity.runtime import close_identity, open_identity, runtime
from backend.identity.schemas import LinkSignIn, PasswordChange, ProfileChange, SignInLink
from backend.identity.sessions import OpenedSession, Origin
from backend.identity.subjects import subject_for_user
from backend.kit.subject import Locale, Subject
from db.repositories import identity, people
from db.repositories import sessions as session_rows
from db.repositories.identity import TenantRow
from db.repositories.people import CredentialRow, PersonRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.crypto import token_hash
from ops.runtime.ids import UserId

__all__ = [
    "OpenedSession",
    "Origin",
    "authenticate",
    "authenticate_again",
    "authenticate_socket",
    "change_password",
    "change_profile",
    "close_identity",
    "create_administrator",
    "create_person",
    "create_tenant",
    "ensure_default_tenant",
    "open_identity",
    "own_account",
    "person_key",
    "purge_sessions",
    "refuse_demo_accounts",
    "reset_link",
    "reset_password",
    "sign_in",
    "sign_in_by_link",
    "subject_for_user",
]

ADMINISTRATOR_ROLES = ("admin", "ops")
SESSION_RETENTION_DAYS = 90


async def sign_in(email: str, password: str, origin: Origin, *, refreshable: bool = True) -> OpenedSession:
    """Begin a session with address and password; an unknown address gets the same answer after the same time.

    Raises:
        SignInFailed, SignInLocked
    """
    normalised = normalise_email(email)
    digest = lockout.email_hash(normalised)
    credential = await people.credential_of_email(normalised)
    await _refuse_if_locked(digest, credential)
    if not await passwords.verify(credential.password_hash if credential else None, password):
        raise await _failed(digest, credential)
    assert credential is not None
    assert credential.password_hash is not None
    newer_hash = await passwords.hash_password(password) if passwords.is_outdated(credential.password_hash) else None
    async with unit_of_work() as uow:
        await lockout.settle_success(uow, digest)
        held = await people.hold_credential(uow, credential.user_id)
        if held is None or held.password_hash != credential.password_hash:
            raise SignInFailed  # disabled, or the password was changed, while it was being verified
        if newer_hash is not None:
            await people.set_password_hash(uow, held.user_id, newer_hash, instead_of=held.password_hash)
        opened = await sessions.begin(uow, held, origin, refreshable=refreshable)
        await _audit(uow, held, "auth.signed_in", session_id=opened.session_id, method="password")
    return opened


async def sign_in_by_link(link: LinkSignIn, origin: Origin, *, refreshable: bool = True) -> OpenedSession:
    """Begin a session with a one-time link; a new password ends the person's other sessions.

    Raises:
        TokenRefused: unknown, over, or used. PasswordWeak: the link stays good.
    """
    digest = token_hash(link.token)
    unused = await session_rows.unused_one_time("sign-in-link", digest)
    credential = await people.credential_of(unused.user_id) if unused else None
    if credential is None:
        raise LinkRefused
    new_hash = await accounts.new_password_hash(link.new_password, credential.email, pointer="/new_password")
    async with unit_of_work() as uow:
        await lockout.clear(uow, lockout.email_hash(normalise_email(credential.email)))
        held = await people.hold_credential(uow, credential.user_id)
        if held is None or await session_rows.use_one_time(uow, "sign-in-link", digest) is None:
            raise LinkRefused
        if new_hash is not None:
            await _replace_password(uow, held, new_hash)
        opened = await sessions.begin(uow, held, origin, refreshable=refreshable)
        await _audit(uow, held, "auth.signed_in", session_id=opened.session_id, method="link")
    return opened


async def own_account(subject: Subject) -> PersonRow:
    """Return the person's own row."""
    person = await people.get(subject.user_id, subject.tenant_id)
    if person is None:
        raise PersonNotFound
    return person


async def change_profile(subject: Subject, change: ProfileChange) -> PersonRow:
    """Change name or language of one's own account."""
    async with unit_of_work() as uow:
        person = await people.update(
            uow,
            subject.user_id,
            subject.tenant_id,
            display_name=None if change.display_name is UNSET else change.display_name.strip(),
            locale=None if change.locale is UNSET else change.locale,
        )
        if person is None:
            raise PersonNotFound
        await rights_changed(uow, [subject.user_id])
        await uow.audit(subject, "profile.changed", {})
    return person


async def change_password(subject: Subject, change: PasswordChange) -> None:
    """Change one's own password and end all other sessions. Wrong guesses count towards the address's lock.

    Raises:
        PasswordWrong, PasswordWeak, SignInLocked
    """
    credential = await people.credential_of(subject.user_id)
    if credential is None:
        raise PersonNotFound
    digest = lockout.email_hash(normalise_email(credential.email))
    await lockout.refuse_if_locked(digest)
    if credential.password_hash is not None and not await passwords.verify(
        credential.password_hash, change.current_password or ""
    ):
        failure = await _failed(digest, credential)
        raise failure if isinstance(failure, SignInLocked) else PasswordWrong()
    new_hash = await accounts.new_password_hash(change.new_password, credential.email, pointer="/new_password")
    assert new_hash is not None
    async with unit_of_work() as uow:
        await lockout.settle_success(uow, digest)
        if not await people.set_password_hash(uow, subject.user_id, new_hash, instead_of=credential.password_hash):
            raise PasswordWrong  # it was changed while it was being verified
        ended = await sessions.end_all(uow, subject.user_id, "password-changed", except_id=subject.session_id)
        await uow.audit(subject, "password.changed", {"sessions_ended": ended})


async def create_person(
    tenant_slug: str | None,
    *,
    email: str,
    display_name: str,
    password: str | None = None,
    roles: tuple[str, ...] = (),
    locale: Locale = "en",
    is_demo: bool = False,
) -> PersonRow:
    """Make a person from the command line or the demo, with tenant-wide roles.

    Raises:
        InputRefused: no such tenant or role. EmailTaken, PasswordWeak
    """
    tenant = await _tenant(tenant_slug)
    password_hash = await accounts.new_password_hash(password, email)
    async with unit_of_work() as uow:
        person = await accounts.add_person(
            uow,
            tenant.id,
            email=email,
            display_name=display_name,
            password_hash=password_hash,
            locale=locale,
            is_demo=is_demo,
        )
        for role in roles:
            await accounts.give_role(uow, tenant.id, person.id, role)
        await uow.audit(None, "person.created", {"user_id": person.id, "roles": roles}, tenant_id=tenant.id)
    return person


async def create_administrator(
    tenant_slug: str | None, email: str, password: str | None = None, *, display_name: str = "", is_demo: bool = False
) -> PersonRow:
    """Make somebody who may do everything in the tenant, operators' work included, so that they can hand all of it on."""
    return await create_person(
        tenant_slug,
        email=email,
        display_name=display_name or email.partition("@")[0],
        password=password,
        roles=ADMINISTRATOR_ROLES,
        is_demo=is_demo,
    )


async def reset_password(email: str, password: str) -> None:
    """Set a person's password from the command line and end their sessions.

    Raises:
        PersonNotFound: nobody active has this address. PasswordWeak
    """
    credential = await people.credential_of(await _person_of(email))
    if credential is None:
        raise PersonNotFound(f"The person with the address {email} is disabled.")
    new_hash = await accounts.new_password_hash(password, credential.email)
    assert new_hash is not None
    async with unit_of_work() as uow:
        await lockout.clear(uow, lockout.email_hash(normalise_email(credential.email)))
        held = await people.hold_credential(uow, credential.user_id)
        if held is None:
            raise PersonNotFound(f"The person with the address {email} is disabled.")
        await _replace_password(uow, held, new_hash)


async def reset_link(email: str) -> SignInLink:
    """Make a one-time sign-in link from the command line.

    Raises:
        PersonNotFound: nobody active has this address.
    """
    person = await subject_for_user(await _person_of(email))
    return await make_link(None, person)


async def refuse_demo_accounts() -> None:
    """Refuse to serve production from data that holds demo people.

    Raises:
        DemoAccountsPresent: delete them first.
    """
    if runtime().environment == "production" and (count := await people.demo_accounts()):
        raise DemoAccountsPresent(f"{count} demo people are in the database; production does not start with them")


async def purge_sessions() -> int:
    """Delete sessions and tokens that ended long ago; the clock calls it. Return how many sessions."""
    async with unit_of_work() as uow:
        return await session_rows.purge(uow, SESSION_RETENTION_DAYS)


async def _refuse_if_locked(digest: bytes, credential: CredentialRow | None) -> None:
    try:
        await lockout.refuse_if_locked(digest)
    except SignInLocked:
        async with unit_of_work() as uow:
            await _audit(uow, credential, "auth.sign_in_refused", reason="locked")
        raise


async def _failed(digest: bytes, credential: CredentialRow | None) -> SignInFailed | SignInLocked:
    async with unit_of_work() as uow:
        seconds, locked_before = await lockout.settle_failure(uow, digest)
        if locked_before:
            await _audit(uow, credential, "auth.sign_in_refused", reason="locked")
            return SignInLocked(max(1, math.ceil(seconds)))
        await _audit(uow, credential, "auth.sign_in_failed")
        if seconds > 0:
            await _audit(uow, credential, "auth.locked_out", seconds=math.ceil(seconds))
    return SignInFailed()


async def _replace_password(uow: UnitOfWork, held: CredentialRow, new_hash: str) -> None:
    await people.set_password_hash(uow, held.user_id, new_hash, instead_of=held.password_hash)
    ended = await sessions.end_all(uow, held.user_id, "password-changed")
    await _audit(uow, held, "password.reset", sessions_ended=ended)


async def _audit(uow: UnitOfWork, credential: CredentialRow | None, action: str, **metadata: Any) -> None:
    if credential is None:
        await uow.audit(None, action, metadata)
    else:
        await uow.audit(credential, action, metadata)


async def _tenant(slug: str | None) -> TenantRow:
    if slug is None:
        return await ensure_default_tenant()
    tenant = await identity.tenant_by_slug(slug)
    if tenant is None:
        raise InputRefused("/tenant", f"There is no tenant called {slug}.")
    return tenant


async def _person_of(email: str) -> UserId:
    person = await people.find_email(normalise_email(email))
    if person is None:
        raise PersonNotFound(f"Nobody has the address {email}.")
    return person.id
