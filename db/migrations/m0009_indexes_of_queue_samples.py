"""One sample for each slot, whoever takes it."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine.finder import engine_finder

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
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        if engine is None:
            raise RuntimeError("no engine is configured")
        for statement in STATEMENTS:
            await engine.run_ddl(statement)

    manager.add_raw(run)
    return manager
