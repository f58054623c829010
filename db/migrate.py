"""Applies the migrations and sets what the program's role may do.

Runs as the owner's role over a session connection; an advisory lock lets one of several starters work and the others wait.
"""

import contextlib
import io
import os

import asyncpg
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.apps.migrations.tables import Migration

from db.engine import close_database, open_pool
from db.errors import DatabaseError

MIGRATION_LOCK = 0x4C59_4345
APPEND_ONLY = ("audit_log", "audit_seals")


class MigrationFailed(DatabaseError):
    """A migration did not apply; the message says which and why."""


def known_migrations() -> list[str]:
    """Return the ids of the migrations this program brings, oldest first."""
    os.environ.setdefault("PICCOLO_CONF", "db.piccolo_conf")
    from piccolo.apps.migrations.commands.base import BaseMigrationManager  # noqa: PLC0415 - reads PICCOLO_CONF

    manager = BaseMigrationManager()
    modules = manager.get_migration_modules(manager.get_app_config("lyceum").resolved_migrations_folder_path)
    return sorted(manager.get_migration_ids(modules))


async def migrate(database_url_owner: str, app_role: str = "lyceum_app") -> list[str]:
    """Bring the schema up to date and return the ids of the migrations applied now (none when it was).

    Raises:
        MigrationFailed: the database is newer than this program, or a migration did not apply.
    """
    os.environ.setdefault("PICCOLO_CONF", "db.piccolo_conf")
    lock = await asyncpg.connect(database_url_owner)
    await open_pool(database_url_owner, pool_size=2)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        return await _migrate(lock, app_role)
    finally:
        await close_database()
        await lock.close()


async def applied_migrations(database_url: str) -> list[str]:
    """Return the ids the database says were applied, oldest first; none for an empty database."""
    session = await asyncpg.connect(database_url)
    try:
        if await session.fetchval("SELECT to_regclass('migration')") is None:
            return []
        return [row["name"] for row in await session.fetch("SELECT name FROM migration ORDER BY name")]
    finally:
        await session.close()


async def _migrate(session: asyncpg.Connection, app_role: str) -> list[str]:
    await Migration.create_table(if_not_exists=True)
    before = set(await Migration.get_migrations_which_ran(app_name="lyceum"))
    if newer := sorted(before - set(known_migrations())):
        raise MigrationFailed(
            f"the database has migrations this program does not know ({newer[-1]}): use a newer Lyceum"
        )
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        result = await run_forwards("lyceum")
    if not result.success:
        raise MigrationFailed(result.message or output.getvalue())
    await _set_rights(session, app_role)
    return sorted(set(await Migration.get_migrations_which_ran(app_name="lyceum")) - before)


async def _set_rights(session: asyncpg.Connection, app_role: str) -> None:
    """Let the program's role read and write rows, but only add to the audit tables."""
    if not await session.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", app_role):
        raise MigrationFailed(f"the role {app_role} does not exist: create it before migrating")
    if await session.fetchval("SELECT current_user = $1", app_role):
        return
    role = '"' + app_role.replace('"', '""') + '"'
    audit = ", ".join(APPEND_ONLY)
    await session.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    await session.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    await session.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {audit} FROM {role}")
    await session.execute(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON migration FROM {role}")
    await session.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
