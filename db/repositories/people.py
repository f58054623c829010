"""People: their accounts and the keys what they write is sealed with."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.repositories.places import SHOW, Places, listed
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import TenantId, UserId, new_id

PersonState = Literal["active", "disabled"]
PURGE_AFTER_DAYS = 30


class PersonRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person as administrators see them; only a deleted one has a purge date."""

    id: UserId
    tenant_id: TenantId
    email: str
    display_name: str
    state: PersonState
    locale: str
    is_demo: bool
    has_password: bool
    created_at: datetime
    updated_at: datetime
    purge_after: datetime | None = None


class CredentialRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in compares; only people who may sign in have one."""

    user_id: UserId
    tenant_id: TenantId
    email: str
    password_hash: str | None
    authority_epoch: int


class NewPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person to add; `data_key` is wrapped already and bound to `id`."""

    id: UserId
    tenant_id: TenantId
    email: str
    email_normalised: str
    display_name: str
    locale: str
    password_hash: str | None
    data_key: bytes
    is_demo: bool = False
    state: PersonState = "active"


_FIELDS = [field for field in PersonRow.__struct_fields__ if field != "has_password"]
PERSON = ", ".join(_FIELDS) + ", password_hash IS NOT NULL AS has_password"

# Who learns or holds a role in the faculties $3 or the courses $4, or, with $2, everybody.
_BELONGS = """
AND ($2 OR EXISTS (SELECT FROM grants g LEFT JOIN courses c ON c.id = g.course_id AND c.deleted_at IS NULL
                   WHERE g.user_id = users.id AND g.deleted_at IS NULL
                     AND (coalesce(g.faculty_id, c.faculty_id) = ANY($3) OR c.id = ANY($4)))
        OR EXISTS (SELECT FROM enrolments e JOIN courses c ON c.id = e.course_id AND c.deleted_at IS NULL
                   WHERE e.user_id = users.id AND e.ended_at IS NULL
                     AND (c.faculty_id = ANY($3) OR c.id = ANY($4))))
"""


async def add(uow: UnitOfWork, person: NewPerson) -> PersonRow:
    """Add a person.

    Raises:
        UniqueViolation: `users_email_live`.
    """
    del uow
    row = await query.fetch_one(
        PersonRow,
        f"""INSERT INTO users (id, tenant_id, email, email_normalised, display_name, locale, password_hash, data_key, is_demo,
                               state, authority_epoch, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, now(), now()) RETURNING {PERSON}""",
        *msgspec.structs.astuple(person),
    )
    assert row is not None
    return row


async def get(user_id: UUID, tenant_id: UUID) -> PersonRow | None:
    """Return a live person of the tenant."""
    return await query.fetch_one(
        PersonRow,
        f"SELECT {PERSON} FROM users WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL",
        user_id,
        tenant_id,
    )


async def get_in(user_id: UUID, tenant_id: UUID, places: Places) -> PersonRow | None:
    """Return a live person of the tenant who learns or holds a role in `places`."""
    return await query.fetch_one(
        PersonRow,
        f"SELECT {PERSON} FROM users WHERE tenant_id = $1 AND deleted_at IS NULL AND id = $5 {_BELONGS}",
        tenant_id,
        *places.arguments(),
        user_id,
    )


async def find_email(email_normalised: str) -> PersonRow | None:
    """Return the live person with that address, in whatever tenant."""
    return await query.fetch_one(
        PersonRow,
        f"SELECT {PERSON} FROM users WHERE email_normalised = $1 AND deleted_at IS NULL",
        email_normalised,
    )


async def search(
    tenant_id: UUID,
    places: Places,
    *,
    deleted: bool = False,
    text: str | None,
    state: PersonState | None,
    before_id: UUID | None,
    limit: int,
) -> list[PersonRow]:
    """Return people of `places` whose name or address contains `text`, newest first; `before_id` continues a page.

    With `deleted` they are those who can be restored.
    """
    return await query.fetch(
        PersonRow,
        f"""SELECT {PERSON} FROM users
            WHERE tenant_id = $1 AND {listed(deleted)} AND ($6::text IS NULL OR state = $6)
              AND ($5::text IS NULL OR position(lower($5) IN lower(display_name)) > 0
                   OR position(lower($5) IN email_normalised) > 0)
              {_BELONGS} AND ($7::uuid IS NULL OR id < $7) ORDER BY id DESC LIMIT $8""",
        tenant_id,
        *places.arguments(),
        text,
        state,
        before_id,
        limit,
    )


async def beginning_with(tenant_id: UUID, text: str, *, limit: int) -> list[PersonRow]:
    """Return active people whose address, or a word of whose name, begins with `text`; whose address it is comes first."""
    return await query.fetch(
        PersonRow,
        f"""SELECT {PERSON} FROM users
            WHERE tenant_id = $1 AND deleted_at IS NULL AND state = 'active'
              AND (starts_with(email_normalised, $2) OR position(' ' || $2 IN ' ' || lower(display_name)) > 0)
            ORDER BY email_normalised <> $2, display_name, id LIMIT $3""",
        tenant_id,
        text,
        limit,
    )


async def update(
    uow: UnitOfWork,
    user_id: UUID,
    tenant_id: UUID,
    *,
    email: tuple[str, str] | None = None,
    display_name: str | None = None,
    locale: str | None = None,
    state: PersonState | None = None,
) -> PersonRow | None:
    """Change what is given; `email` comes with its normalised form.

    Raises:
        UniqueViolation: `users_email_live`.
    """
    del uow
    return await query.fetch_one(
        PersonRow,
        f"""UPDATE users SET email = coalesce($3, email), email_normalised = coalesce($4, email_normalised),
                display_name = coalesce($5, display_name), locale = coalesce($6, locale), state = coalesce($7, state),
                updated_at = now()
            WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL RETURNING {PERSON}""",
        user_id,
        tenant_id,
        *(email or (None, None)),
        display_name,
        locale,
        state,
    )


async def delete(uow: UnitOfWork, user_id: UUID, tenant_id: UUID) -> bool:
    """Hide a person; the row waits for its purge date. Return whether there was one."""
    del uow
    touched = await query.execute(
        f"""UPDATE users SET deleted_at = now(), purge_after = now() + interval '{PURGE_AFTER_DAYS} days', updated_at = now()
            WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL""",
        user_id,
        tenant_id,
    )
    return touched == 1


async def restore(uow: UnitOfWork, user_id: UUID, tenant_id: UUID) -> PersonRow | None:
    """Show a deleted person whose purge date has not come; None when there is none.

    Raises:
        UniqueViolation: `users_email_live`.
    """
    del uow
    return await query.fetch_one(
        PersonRow,
        f"UPDATE users SET {SHOW} WHERE id = $1 AND tenant_id = $2 AND {listed(True)} RETURNING {PERSON}",
        user_id,
        tenant_id,
    )


_CREDENTIAL = """
SELECT u.id AS user_id, u.tenant_id, u.email, u.password_hash, u.authority_epoch
FROM users u JOIN tenants t ON t.id = u.tenant_id
WHERE u.state = 'active' AND u.deleted_at IS NULL AND t.deleted_at IS NULL
"""


async def credential_of_email(email_normalised: str) -> CredentialRow | None:
    """Return what a sign-in with this address is compared with."""
    return await query.fetch_one(CredentialRow, f"{_CREDENTIAL} AND u.email_normalised = $1", email_normalised)


async def credential_of(user_id: UUID) -> CredentialRow | None:
    """Return the credential of an active person."""
    return await query.fetch_one(CredentialRow, f"{_CREDENTIAL} AND u.id = $1", user_id)


async def hold_credential(uow: UnitOfWork, user_id: UUID) -> CredentialRow | None:
    """As `credential_of`; the person can be neither disabled nor given another password until the transaction ends."""
    del uow
    return await query.fetch_one(CredentialRow, f"{_CREDENTIAL} AND u.id = $1 FOR NO KEY UPDATE OF u", user_id)


async def set_password_hash(uow: UnitOfWork, user_id: UUID, password_hash: str, *, instead_of: str | None) -> bool:
    """Store a password hash if the stored one still is `instead_of`; return whether it was."""
    del uow
    touched = await query.execute(
        """UPDATE users SET password_hash = $2, updated_at = now()
           WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $3 AND deleted_at IS NULL""",
        user_id,
        password_hash,
        instead_of,
    )
    return touched == 1


async def data_key(user_id: UUID) -> bytes | None:
    """Return a person's wrapped key, deleted people included: what they wrote stays sealed with it."""
    key: bytes | None = await query.fetch_value("SELECT data_key FROM users WHERE id = $1", user_id)
    return key


async def demo_accounts() -> int:
    """Return how many live demo people there are."""
    return int(await query.fetch_value("SELECT count(*) FROM users WHERE is_demo AND deleted_at IS NULL"))


def new_user_id() -> UserId:
    """Return the id of a person to be added: the wrapped key is bound to it before the row exists."""
    return UserId(new_id())
