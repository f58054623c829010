"""Indexes and constraints of adapters."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine.finder import engine_finder

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
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        if engine is None:
            raise RuntimeError("no engine is configured")
        for statement in STATEMENTS:
            await engine.run_ddl(statement)

    manager.add_raw(run)
    return manager
