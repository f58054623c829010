"""Indexes and constraints of adapters."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T12:45:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes and constraints of adapters"

STATEMENTS = (
    # A name is given once in the whole installation: what is kept under it can never be another's.
    "CREATE UNIQUE INDEX adapter_namespaces_name ON adapter_namespaces (name)",
    "CREATE UNIQUE INDEX adapters_name ON adapters (namespace_id, sha256)",
    "CREATE INDEX adapters_tenant ON adapters (tenant_id, id)",
    "ALTER TABLE adapters ADD CONSTRAINT adapters_state CHECK (state IN ('active', 'revoked', 'quarantined'))",
    """ALTER TABLE adapters ADD CONSTRAINT adapters_revoked CHECK ((state = 'revoked') = (revoked_at IS NOT NULL))""",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
