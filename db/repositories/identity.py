"""Tenants, what a person may do (read in one statement, so in one snapshot), and the epoch that says it has changed."""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import TenantId, UserId, new_id


class TenantRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant."""

    id: TenantId
    slug: str
    name: str
    is_default: bool


class GrantFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one live grant gives and where."""

    permissions: list[str]
    faculty_id: UUID | None = None
    course_id: UUID | None = None


class AuthorityRow(msgspec.Struct, frozen=True, kw_only=True):
    """An active person with every live grant and enrolment; `grants` is JSON text of `list[GrantFacts]`."""

    user_id: UserId
    tenant_id: TenantId
    email: str
    display_name: str
    locale: str
    authority_epoch: int
    grants: str
    enrolled: list[UUID]


class EpochRow(msgspec.Struct, frozen=True, kw_only=True):
    """The epoch a person has after a change."""

    user_id: UserId
    authority_epoch: int


TENANT = ", ".join(TenantRow.__struct_fields__)

_AUTHORITY = """
SELECT u.id AS user_id, u.tenant_id, u.email, u.display_name, u.locale, u.authority_epoch,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('permissions', r.permissions, 'faculty_id', g.faculty_id,
                                                     'course_id', g.course_id) ORDER BY g.id), '[]')
        FROM grants g JOIN roles r ON r.id = g.role_id
        WHERE g.user_id = u.id AND g.deleted_at IS NULL AND r.deleted_at IS NULL) AS grants,
       ARRAY(SELECT e.course_id FROM enrolments e JOIN courses c ON c.id = e.course_id
             WHERE e.user_id = u.id AND e.ended_at IS NULL AND c.deleted_at IS NULL) AS enrolled
FROM users u JOIN tenants t ON t.id = u.tenant_id
WHERE u.id = $1 AND u.state = 'active' AND u.deleted_at IS NULL AND t.deleted_at IS NULL
"""


async def authority(user_id: UUID) -> AuthorityRow | None:
    """Return what an active person may do, or None when there is no such person any more."""
    return await query.fetch_one(AuthorityRow, _AUTHORITY, user_id)


async def raise_epochs(uow: UnitOfWork, user_ids: Iterable[UUID]) -> list[EpochRow]:
    """Say that the rights of these people change in this transaction; rows are locked in one order, against deadlock."""
    del uow
    return await query.fetch(
        EpochRow,
        """WITH held AS (SELECT id FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
           UPDATE users SET authority_epoch = authority_epoch + 1 FROM held WHERE users.id = held.id
           RETURNING users.id AS user_id, users.authority_epoch""",
        list(set(user_ids)),
    )


async def tenant_by_slug(slug: str) -> TenantRow | None:
    """Return a live tenant."""
    return await query.fetch_one(
        TenantRow, f"SELECT {TENANT} FROM tenants WHERE slug = $1 AND deleted_at IS NULL", slug
    )


async def default_tenant() -> TenantRow | None:
    """Return the installation's own tenant."""
    return await query.fetch_one(TenantRow, f"SELECT {TENANT} FROM tenants WHERE is_default AND deleted_at IS NULL")


async def add_tenant(uow: UnitOfWork, slug: str, name: str) -> TenantRow:
    """Add a tenant; the first one becomes the installation's own.

    Raises:
        UniqueViolation: the slug is taken, or another first tenant was added at the same moment.
    """
    del uow
    row = await query.fetch_one(
        TenantRow,
        f"""INSERT INTO tenants (id, slug, name, is_default, created_at, updated_at)
            VALUES ($1, $2, $3, NOT EXISTS (SELECT FROM tenants WHERE is_default AND deleted_at IS NULL), now(), now())
            RETURNING {TENANT}""",
        new_id(),
        slug,
        name,
    )
    assert row is not None
    return row


async def hold_tenant(uow: UnitOfWork, tenant_id: UUID) -> None:
    """Let one transaction at a time change who administers the tenant, or what it allows."""
    del uow
    await query.execute("SELECT id FROM tenants WHERE id = $1 FOR NO KEY UPDATE", tenant_id)
