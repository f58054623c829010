"""An installation from before some rights: what its roles may do once it is brought up to date."""

from uuid import UUID

import asyncpg
import msgspec
from piccolo.apps.migrations.commands.forwards import run_forwards

from backend.kit.permissions import BUILTIN_ROLES, PERMISSIONS
from db.engine import close_database, open_pool
from db.migrate import known_migrations, migrate
from ops.runtime.ids import new_id
from tests.servers import Database

FIRST_SCHEMA = "2026-11-21T02:44:00:000000"
"""The last migration of the first version, which began with these rights."""
FIRST_ROLES = {
    "student": {"course.learn"},
    "academic": {
        "course.read",
        "document.read",
        "document.write",
        "search.use",
        "chat.use",
        "enrolment.read",
        "enrolment.write",
    },
    "admin": {
        *("course.read", "course.write", "faculty.write", "semester.write", "enrolment.read", "enrolment.write"),
        *("document.read", "document.write", "search.use", "chat.use", "person.read", "person.write"),
        *("grant.write", "role.write", "audit.read", "ops.read"),
    },
    "ops": {"ops.read", "ops.write"},
}


async def old_installation(url: str) -> None:
    known_migrations()  # tells Piccolo where they are
    await open_pool(url, pool_size=2)
    try:
        assert (await run_forwards("lyceum", FIRST_SCHEMA)).success
    finally:
        await close_database()


async def old_tenant(session: asyncpg.Connection, slug: str) -> UUID:
    tenant_id = new_id()
    await session.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $2)", tenant_id, slug)
    for name, permissions in FIRST_ROLES.items():
        await add_role(session, tenant_id, name, permissions, is_builtin=True)
    return tenant_id


async def add_role(
    session: asyncpg.Connection, tenant_id: UUID, name: str, permissions: set[str], *, is_builtin: bool
) -> None:
    await session.execute(
        """INSERT INTO roles (id, tenant_id, name, permissions, is_builtin, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, now(), now())""",
        new_id(),
        tenant_id,
        name,
        sorted(permissions),
        is_builtin,
    )


async def roles_of(session: asyncpg.Connection, tenant_id: UUID) -> dict[str, set[str]]:
    rows = await session.fetch("SELECT name, permissions FROM roles WHERE tenant_id = $1", tenant_id)
    assert all(len(set(row["permissions"])) == len(row["permissions"]) for row in rows)
    return {row["name"]: set(row["permissions"]) for row in rows}


async def test_built_in_roles_of_every_old_tenant_get_what_a_new_one_starts_with(empty_database: Database) -> None:
    """Red too when a permission is added for new tenants alone."""
    await old_installation(empty_database.owner_url)
    session = await asyncpg.connect(empty_database.owner_url)
    tenants = [await old_tenant(session, slug) for slug in ("one", "two")]

    await migrate(empty_database.owner_url)

    for tenant_id in tenants:
        assert await roles_of(session, tenant_id) == BUILTIN_ROLES
    told = await session.fetch("SELECT tenant_id, metadata FROM audit_log WHERE action = 'role.changed'")
    about = [msgspec.json.decode(row["metadata"]) for row in told]
    assert {row["tenant_id"] for row in told} == set(tenants)
    assert {(one["name"], *sorted(set(one["after"]) - set(one["before"]))) for one in about} == {
        ("admin", "inference.read", "inference.write"),
        ("ops", "inference.read"),
    }
    assert len(told) == 4
    await session.close()


async def test_a_role_that_an_administrator_changed_or_made_stays_as_it_is(empty_database: Database) -> None:
    await old_installation(empty_database.owner_url)
    session = await asyncpg.connect(empty_database.owner_url)
    tenant_id = await old_tenant(session, "one")
    await add_role(session, tenant_id, "deans", FIRST_ROLES["admin"], is_builtin=False)
    await session.execute(
        "UPDATE roles SET permissions = array_remove(permissions, 'audit.read'), updated_at = now() WHERE name = 'admin'"
    )

    await migrate(empty_database.owner_url)

    roles = await roles_of(session, tenant_id)
    models = {permission for permission in PERMISSIONS if permission.startswith("inference.")}
    assert not (roles["admin"] | roles["deans"]) & models
    assert roles["deans"] == FIRST_ROLES["admin"]
    assert roles["ops"] == BUILTIN_ROLES["ops"]
    await session.close()
