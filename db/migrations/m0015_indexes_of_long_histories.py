"""What a long history, and a deep queue beside it, are read by."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T15:00:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes of jobs that fit what is asked of a long table alone"

STATEMENTS = (
    # In the order of the list: of a thousand jobs about a thing the page reads the first fifty.
    "DROP INDEX jobs_subject_id",
    "CREATE INDEX jobs_subject_id ON jobs (subject_id, id)",
    # Statistics that know a million ended jobs and no other find every index of the others equally cheap. Without the jobs
    # that have no key this one is no way to count those that run: it held all that wait beside them.
    "DROP INDEX jobs_dedupe_live",
    """CREATE UNIQUE INDEX jobs_dedupe_live ON jobs (tenant_id, kind, dedupe_key)
       WHERE state IN ('queued', 'waiting', 'running') AND dedupe_key IS NOT NULL""",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
