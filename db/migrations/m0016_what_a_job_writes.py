"""Less to write for each job: an index that another one contains, and checks of what cannot be otherwise."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import ForeignKey

from db.ddl import add_statements

ID = "2026-11-21T15:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "attempts and events of jobs are written without a check of what the same statement holds"

# Attempts and events are inserted by statements that change the job's row and take its id from there, and are deleted with
# the job in one transaction (`db.repositories.job_history`). Each check cost as much as the insert.
STATEMENTS = (
    "ALTER TABLE job_attempts DROP CONSTRAINT job_attempts_job_id_fkey",
    "ALTER TABLE job_events DROP CONSTRAINT job_events_job_id_fkey",
)


async def forwards() -> MigrationManager:
    """Apply the statements, and drop the index of attempts by job: that of their numbers begins with the job."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    manager.alter_column(
        table_class_name="JobAttempt",
        tablename="job_attempts",
        column_name="job_id",
        db_column_name="job_id",
        params={"index": False},
        old_params={"index": True},
        column_class=ForeignKey,
        old_column_class=ForeignKey,
        schema=None,
    )

    add_statements(manager, STATEMENTS)
    return manager
