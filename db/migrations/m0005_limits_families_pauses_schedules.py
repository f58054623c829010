"""What jobs wait for, pauses of queues, and schedules."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import Column, OnDelete, OnUpdate
from piccolo.columns.column_types import JSONB, UUID, Boolean, ForeignKey, Integer, Text, Timestamptz
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-21T07:10:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "what jobs wait for, pauses of queues, schedules"

PLAIN: dict[str, Any] = {
    "primary_key": False,
    "unique": False,
    "index": False,
    "index_method": IndexMethod.btree,
    "choices": None,
    "db_column_name": None,
    "secret": False,
}
KEY = {"default": None, "null": False, "primary_key": True}
OPTIONAL = {"default": None, "null": True}
TEXT = {"default": "", "null": False}
NOW = {"default": TimestamptzNow(), "null": False}


class Tenant(Table, tablename="tenants", schema=None):
    id = UUID(**(PLAIN | KEY))


class Schedule(Table, tablename="schedules", schema=None):
    id = UUID(**(PLAIN | KEY))


def _reference(table: type[Table]) -> dict[str, Any]:
    return {
        "references": table,
        "on_delete": OnDelete.restrict,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "default": None,
        "null": False,
    }


Columns = dict[str, tuple[type[Column], dict[str, Any]]]

JOB: Columns = {
    "concurrency_key": (Text, OPTIONAL),
    "concurrency_per_key": (Integer, {"default": 1, "null": False}),
    "losses": (Integer, {"default": 0, "null": False}),
    "waits_for": (Text, OPTIONAL),
    "parent_id": (UUID, OPTIONAL),
    "on_child_failure": (Text, OPTIONAL),
    "after_id": (UUID, OPTIONAL),
}
QUEUE_PAUSE: Columns = {
    "id": (UUID, KEY),
    "tenant_id": (ForeignKey, _reference(Tenant)),
    "queue": (Text, TEXT),
    "paused_by": (UUID, OPTIONAL),
    "paused_at": (Timestamptz, NOW),
}
SCHEDULE: Columns = {
    "id": (UUID, KEY),
    "tenant_id": (ForeignKey, _reference(Tenant)),
    "user_id": (UUID, OPTIONAL),
    "name": (Text, TEXT),
    "kind": (Text, TEXT),
    "args": (JSONB, {"default": "{}", "null": False}),
    "cron": (Text, TEXT),
    "timezone": (Text, TEXT),
    "missed": (Text, TEXT),
    "max_missed": (Integer, {"default": 1, "null": False}),
    "is_enabled": (Boolean, {"default": True, "null": False}),
    "next_at": (Timestamptz, OPTIONAL),
    "created_at": (Timestamptz, NOW),
    "updated_at": (Timestamptz, NOW),
}
SCHEDULE_FIRING: Columns = {
    "id": (UUID, KEY),
    "schedule_id": (ForeignKey, _reference(Schedule)),
    "cause": (Text, TEXT),
    "due_at": (Timestamptz, NOW),
    "fired_at": (Timestamptz, NOW),
    "job_id": (UUID, OPTIONAL),
}


async def forwards() -> MigrationManager:
    """Add tables and columns."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    tables = {
        ("QueuePause", "queue_pauses"): QUEUE_PAUSE,
        ("Schedule", "schedules"): SCHEDULE,
        ("ScheduleFiring", "schedule_firings"): SCHEDULE_FIRING,
    }
    for class_name, tablename in tables:
        manager.add_table(class_name=class_name, tablename=tablename, schema=None, columns=None)
    for (class_name, tablename), columns in (tables | {("Job", "jobs"): JOB}).items():
        for name, (kind, params) in columns.items():
            manager.add_column(
                table_class_name=class_name,
                tablename=tablename,
                column_name=name,
                db_column_name=name,
                column_class_name=kind.__name__,
                column_class=kind,
                params=PLAIN | params,
                schema=None,
            )
    return manager
