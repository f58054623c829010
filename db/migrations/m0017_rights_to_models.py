"""The rights to models, for the built-in roles of tenants that were there before these rights."""

from typing import Final
from uuid import UUID

import msgspec
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import query
from ops.runtime.context import service_name
from ops.runtime.ids import new_id

ID = "2026-11-21T19:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "rights to models for built-in roles that nobody has changed"

ADDED: Final = {"admin": ["inference.read", "inference.write"], "ops": ["inference.read"]}

# Whoever changes a role moves `updated_at`; this does not, so that the next such step still knows who has changed none.
ADD: Final = """
    WITH old AS (
        SELECT id, permissions FROM roles
        WHERE is_builtin AND name = $1 AND updated_at = created_at AND NOT permissions @> $2::text[] FOR UPDATE)
    UPDATE roles SET permissions = (SELECT array_agg(DISTINCT each ORDER BY each) FROM unnest(old.permissions || $2) AS each)
    FROM old WHERE roles.id = old.id
    RETURNING roles.id, roles.tenant_id, old.permissions AS before, roles.permissions AS after"""


class _Changed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    tenant_id: UUID
    before: list[str]
    after: list[str]


async def forwards() -> MigrationManager:
    """Change the roles in one transaction, each with its audit row."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)

    async def run() -> None:
        for name, permissions in ADDED.items():
            for role in await query.fetch(_Changed, ADD, name, permissions):
                await _audit(name, role)

    manager.add_raw(run)
    return manager


async def _audit(name: str, role: _Changed) -> None:
    about = {"role_id": role.id, "before": role.before, "after": role.after, "name": name}
    await query.execute(
        """INSERT INTO audit_log (id, tenant_id, service_name, action, metadata, request_id)
           VALUES ($1, $2, $3, 'role.changed', $4, '')""",
        new_id(),
        role.tenant_id,
        service_name.get(),
        query.to_json(about),
    )
