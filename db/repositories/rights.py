"""Roles and the grants that give them to people in a tenant, a faculty or a course."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.repositories.places import Places
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import CourseId, FacultyId, GrantId, RoleId, TenantId, UserId, new_id


class RoleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A role of one tenant."""

    id: RoleId
    name: str
    permissions: list[str]
    is_builtin: bool
    created_at: datetime
    updated_at: datetime


class GrantRow(msgspec.Struct, frozen=True, kw_only=True):
    """A live grant with the names people know it by."""

    id: GrantId
    user_id: UserId
    role_id: RoleId
    role: str
    faculty_id: FacultyId | None
    course_id: CourseId | None
    created_at: datetime


class TeacherRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who teaches a course, and the grant that says so."""

    grant_id: GrantId
    user_id: UserId
    display_name: str
    email: str


ROLE = ", ".join(RoleRow.__struct_fields__)
_GRANT = """
SELECT g.id, g.user_id, g.role_id, r.name AS role, g.faculty_id, g.course_id, g.created_at
FROM grants g JOIN roles r ON r.id = g.role_id
WHERE g.deleted_at IS NULL AND g.tenant_id = $1
"""


async def roles(tenant_id: UUID) -> list[RoleRow]:
    """Return the tenant's roles by name; there are few."""
    return await query.fetch(
        RoleRow, f"SELECT {ROLE} FROM roles WHERE tenant_id = $1 AND deleted_at IS NULL ORDER BY name", tenant_id
    )


async def role(role_id: UUID, tenant_id: UUID) -> RoleRow | None:
    """Return a live role."""
    return await query.fetch_one(
        RoleRow, f"SELECT {ROLE} FROM roles WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL", role_id, tenant_id
    )


async def hold_role(uow: UnitOfWork, role_id: UUID, tenant_id: UUID) -> RoleRow | None:
    """As `role`; it can neither change nor be deleted until the transaction ends."""
    del uow
    return await query.fetch_one(
        RoleRow,
        f"SELECT {ROLE} FROM roles WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE",
        role_id,
        tenant_id,
    )


async def hold_role_named(uow: UnitOfWork, name: str, tenant_id: UUID) -> RoleRow | None:
    """Return the live role of that name; it can neither change nor be deleted until the transaction ends."""
    del uow
    return await query.fetch_one(
        RoleRow,
        f"SELECT {ROLE} FROM roles WHERE name = $1 AND tenant_id = $2 AND deleted_at IS NULL FOR SHARE",
        name,
        tenant_id,
    )


async def add_role(
    uow: UnitOfWork, tenant_id: UUID, name: str, permissions: Iterable[str], *, is_builtin: bool = False
) -> RoleRow:
    """Add a role.

    Raises:
        UniqueViolation: `roles_name_live`.
    """
    del uow
    row = await query.fetch_one(
        RoleRow,
        f"""INSERT INTO roles (id, tenant_id, name, permissions, is_builtin, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, now(), now()) RETURNING {ROLE}""",
        new_id(),
        tenant_id,
        name,
        sorted(permissions),
        is_builtin,
    )
    assert row is not None
    return row


async def update_role(
    uow: UnitOfWork, role_id: UUID, *, name: str | None = None, permissions: Iterable[str] | None = None
) -> RoleRow:
    """Change what is given of a role that is held.

    Raises:
        UniqueViolation: `roles_name_live`.
    """
    del uow
    row = await query.fetch_one(
        RoleRow,
        f"""UPDATE roles SET name = coalesce($2, name), permissions = coalesce($3, permissions), updated_at = now()
            WHERE id = $1 RETURNING {ROLE}""",
        role_id,
        name,
        None if permissions is None else sorted(permissions),
    )
    assert row is not None
    return row


async def delete_role(uow: UnitOfWork, role_id: UUID) -> None:
    """Hide a role that nobody holds."""
    del uow
    await query.execute("UPDATE roles SET deleted_at = now(), updated_at = now() WHERE id = $1", role_id)


async def holders_of_role(uow: UnitOfWork, role_id: UUID) -> list[UserId]:
    """Return who holds the role anywhere."""
    del uow
    return await query.fetch_values(
        "SELECT DISTINCT user_id FROM grants WHERE role_id = $1 AND deleted_at IS NULL", role_id
    )


async def permissions_of(user_id: UUID, tenant_id: UUID) -> list[str]:
    """Return all that a person's live grants allow, wherever they count and whether or not the person is active."""
    return await query.fetch_values(
        """SELECT DISTINCT unnest(r.permissions) FROM grants g JOIN roles r ON r.id = g.role_id
           WHERE g.tenant_id = $1 AND g.user_id = $2 AND g.deleted_at IS NULL AND r.deleted_at IS NULL""",
        tenant_id,
        user_id,
    )


async def grants_of(user_id: UUID, tenant_id: UUID, places: Places) -> list[GrantRow]:
    """Return a person's live grants in `places`, oldest first."""
    return await query.fetch(
        GrantRow,
        f"""{_GRANT} AND g.user_id = $2 AND ($3 OR g.course_id = ANY($5)
               OR coalesce(g.faculty_id, (SELECT c.faculty_id FROM courses c WHERE c.id = g.course_id)) = ANY($4))
           ORDER BY g.id LIMIT 1000""",
        tenant_id,
        user_id,
        *places.arguments(),
    )


async def grant(grant_id: UUID, user_id: UUID, tenant_id: UUID) -> GrantRow | None:
    """Return a live grant of that person."""
    return await query.fetch_one(GrantRow, f"{_GRANT} AND g.user_id = $2 AND g.id = $3", tenant_id, user_id, grant_id)


async def add_grant(
    uow: UnitOfWork,
    tenant_id: UUID,
    user_id: UUID,
    role_id: UUID,
    *,
    faculty_id: UUID | None,
    course_id: UUID | None,
    created_by: UUID | None,
) -> GrantId:
    """Add a grant.

    Raises:
        UniqueViolation: `grants_live`.
    """
    del uow
    grant_id = GrantId(new_id())
    await query.execute(
        """INSERT INTO grants (id, tenant_id, user_id, role_id, faculty_id, course_id, created_by, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, now())""",
        grant_id,
        tenant_id,
        user_id,
        role_id,
        faculty_id,
        course_id,
        created_by,
    )
    return grant_id


async def delete_grant(uow: UnitOfWork, grant_id: UUID) -> bool:
    """End a grant; return whether it stood."""
    del uow
    return (
        await query.execute("UPDATE grants SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL", grant_id) == 1
    )


async def held_tenant_wide(uow: UnitOfWork, tenant_id: TenantId, permissions: Iterable[str]) -> frozenset[str]:
    """Return which of `permissions` any active person holds in the whole tenant."""
    del uow
    held = await query.fetch_values(
        """SELECT DISTINCT permission FROM grants g JOIN roles r ON r.id = g.role_id JOIN users u ON u.id = g.user_id,
               unnest(r.permissions) AS permission
           WHERE g.tenant_id = $1 AND g.deleted_at IS NULL AND g.faculty_id IS NULL AND g.course_id IS NULL
             AND r.deleted_at IS NULL AND u.deleted_at IS NULL AND u.state = 'active' AND permission = ANY($2)""",
        tenant_id,
        list(permissions),
    )
    return frozenset(held)


async def teachers(course_id: UUID, teaching_permission: str) -> list[TeacherRow]:
    """Return who holds `teaching_permission` by a grant on this very course, by name."""
    return await query.fetch(
        TeacherRow,
        """SELECT DISTINCT ON (u.display_name, u.id) g.id AS grant_id, u.id AS user_id, u.display_name, u.email
           FROM grants g JOIN roles r ON r.id = g.role_id JOIN users u ON u.id = g.user_id
           WHERE g.course_id = $1 AND g.deleted_at IS NULL AND r.deleted_at IS NULL AND $2 = ANY(r.permissions)
             AND u.deleted_at IS NULL AND u.state = 'active'
           ORDER BY u.display_name, u.id, g.id LIMIT 200""",
        course_id,
        teaching_permission,
    )


async def first_holder(tenant_id: UUID, permission: str) -> UserId | None:
    """Return the active person who has held `permission` in the whole tenant for longest."""
    held = await query.fetch_values(
        """SELECT u.id FROM grants g JOIN roles r ON r.id = g.role_id JOIN users u ON u.id = g.user_id
           WHERE g.tenant_id = $1 AND g.deleted_at IS NULL AND g.faculty_id IS NULL AND g.course_id IS NULL
             AND r.deleted_at IS NULL AND $2 = ANY(r.permissions) AND u.deleted_at IS NULL AND u.state = 'active'
           ORDER BY g.id LIMIT 1""",
        tenant_id,
        permission,
    )
    return UserId(held[0]) if held else None
