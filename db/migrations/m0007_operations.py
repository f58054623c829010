"""What operators ask of workers and jobs: columns of workers, indexes of long lists of jobs."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import Column
from piccolo.columns.column_types import UUID, BigInt, Integer, Timestamptz
from piccolo.columns.indexes import IndexMethod

from db.ddl import add_statements

ID = "2026-11-21T09:35:07:000000"
VERSION = "1.38.0"
DESCRIPTION = "drain and memory of workers, indexes of lists of jobs"

PLAIN: dict[str, Any] = {
    "primary_key": False,
    "unique": False,
    "index": False,
    "index_method": IndexMethod.btree,
    "choices": None,
    "db_column_name": None,
    "secret": False,
}
OPTIONAL = {"default": None, "null": True}

WORKER: dict[str, tuple[type[Column], dict[str, Any]]] = {
    "threads": (Integer, {"default": 1, "null": False}),
    "memory_bytes": (BigInt, {"default": 0, "null": False}),
    "drain_requested_at": (Timestamptz, OPTIONAL),
    "drain_requested_by": (UUID, OPTIONAL),
}

STATEMENTS = (
    # Lists of jobs, newest first; ended ones are most of the table, and those that live change too often for a wide index.
    "CREATE INDEX jobs_ended ON jobs (tenant_id, state, id) WHERE finished_at IS NOT NULL",
    "CREATE INDEX jobs_of_kind ON jobs (tenant_id, kind, id)",
    "CREATE INDEX jobs_of_queue ON jobs (tenant_id, queue, id)",
    "CREATE INDEX jobs_of_error ON jobs (tenant_id, (error ->> 'type'), id) WHERE error IS NOT NULL",
    "CREATE INDEX jobs_of_request ON jobs (request_id) WHERE request_id <> ''",
    # A message takes the most urgent of the jobs whose messages are out.
    """CREATE INDEX jobs_pushed ON jobs (queue, priority, pushed_at)
       WHERE state IN ('queued', 'waiting') AND pushed_at IS NOT NULL""",
    "CREATE INDEX schedule_firings_job ON schedule_firings (job_id) WHERE job_id IS NOT NULL",
)


async def forwards() -> MigrationManager:
    """Make the indexes, then add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    add_statements(manager, STATEMENTS)
    for name, (kind, params) in WORKER.items():
        manager.add_column(
            table_class_name="Worker",
            tablename="workers",
            column_name=name,
            db_column_name=name,
            column_class_name=kind.__name__,
            column_class=kind,
            params=PLAIN | params,
            schema=None,
        )
    return manager
