"""One sample for each slot, whoever takes it."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T10:08:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes of samples of queues"

STATEMENTS = (
    # A chart reads one tenant's queue in the order of time; two clocks take one sample of a slot.
    """CREATE UNIQUE INDEX queue_samples_slot ON queue_samples (queue, tenant_id, slot_at, step_seconds)
       NULLS NOT DISTINCT""",
    # What is rolled up and what is purged.
    "CREATE INDEX queue_samples_age ON queue_samples (step_seconds, slot_at)",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
