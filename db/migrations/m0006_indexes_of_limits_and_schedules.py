"""Indexes and constraints of what jobs wait for, of pauses and of schedules."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db.ddl import sql_migration

ID = "2026-11-21T07:10:01:000000"
VERSION = "1.38.0"
DESCRIPTION = "indexes and constraints of limits, families, pauses and schedules"

STATEMENTS = (
    # A claim counts what runs beside it; an end looks for who may take its place.
    "CREATE INDEX jobs_running ON jobs (kind, tenant_id) WHERE state = 'running'",
    "CREATE INDEX jobs_running_key ON jobs (kind, concurrency_key) WHERE state = 'running' AND concurrency_key IS NOT NULL",
    "CREATE INDEX jobs_running_lost ON jobs (worker_id) WHERE state = 'running' AND losses > 0",
    """CREATE INDEX jobs_next ON jobs (kind, tenant_id, priority, id)
       WHERE state IN ('queued', 'waiting') AND pushed_at IS NULL AND (waits_for IS NULL OR waits_for = 'place')""",
    # Families and chains.
    "CREATE INDEX jobs_children ON jobs (parent_id) WHERE parent_id IS NOT NULL",
    "CREATE INDEX jobs_successors ON jobs (after_id) WHERE state = 'waiting' AND waits_for = 'predecessor'",
    "CREATE INDEX jobs_parents_waiting ON jobs (id) WHERE state = 'waiting' AND waits_for = 'children'",
    "CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL",
    "ALTER TABLE jobs ADD CONSTRAINT jobs_waits_for CHECK (waits_for IN ('place', 'children', 'predecessor'))",
    "ALTER TABLE jobs ADD CONSTRAINT jobs_on_child_failure CHECK (on_child_failure IN ('fail', 'continue'))",
    "ALTER TABLE jobs ADD CONSTRAINT jobs_predecessor CHECK (waits_for <> 'predecessor' OR after_id IS NOT NULL)",
    # One pause of a queue; one firing for each due time, whoever fires.
    "CREATE UNIQUE INDEX queue_pauses_queue ON queue_pauses (tenant_id, queue)",
    "CREATE UNIQUE INDEX schedules_name ON schedules (tenant_id, name)",
    "CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL",
    "CREATE UNIQUE INDEX schedule_firings_once ON schedule_firings (schedule_id, due_at) WHERE cause <> 'manual'",
    "CREATE INDEX schedule_firings_page ON schedule_firings (schedule_id, id)",
    "ALTER TABLE schedules ADD CONSTRAINT schedules_missed CHECK (missed IN ('skip', 'once', 'all'))",
    """ALTER TABLE schedule_firings ADD CONSTRAINT schedule_firings_cause CHECK
       (cause IN ('due', 'missed', 'skipped', 'manual', 'refused'))""",
)


async def forwards() -> MigrationManager:
    """Apply the statements in one transaction."""
    return sql_migration(ID, DESCRIPTION, STATEMENTS)
