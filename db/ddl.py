"""Migrations in SQL: indexes and constraints that Piccolo's columns cannot say."""

from collections.abc import Sequence

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine.finder import engine_finder


def sql_migration(migration_id: str, description: str, statements: Sequence[str]) -> MigrationManager:
    """Return a migration that applies the statements in one transaction."""
    manager = MigrationManager(migration_id=migration_id, app_name="lyceum", description=description)
    add_statements(manager, statements)
    return manager


def add_statements(manager: MigrationManager, statements: Sequence[str]) -> None:
    """Let a migration apply the statements as well, in its transaction."""

    async def run() -> None:
        engine = engine_finder()
        if engine is None:
            raise RuntimeError("no engine is configured")
        for statement in statements:
            await engine.run_ddl(statement)

    manager.add_raw(run)
