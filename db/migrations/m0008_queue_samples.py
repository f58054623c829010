"""How full the queues were, and what passed through them."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import Column, OnDelete, OnUpdate
from piccolo.columns.column_types import UUID, DoublePrecision, ForeignKey, Integer, Text, Timestamptz
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-21T10:08:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "samples of queues"

PLAIN: dict[str, Any] = {
    "null": False,
    "primary_key": False,
    "unique": False,
    "index": False,
    "index_method": IndexMethod.btree,
    "choices": None,
    "db_column_name": None,
    "secret": False,
}


class Tenant(Table, tablename="tenants", schema=None):
    id = UUID(**(PLAIN | {"default": None, "primary_key": True}))


TENANT: dict[str, Any] = {
    "references": Tenant,
    "on_delete": OnDelete.restrict,
    "on_update": OnUpdate.cascade,
    "target_column": None,
    "default": None,
    "null": True,
}
MOMENT = {"default": TimestamptzNow()}
COUNT = {"default": 0}
SECONDS = {"default": 0.0}
COLUMNS: dict[str, tuple[type[Column], dict[str, Any]]] = {
    "id": (UUID, {"default": None, "primary_key": True}),
    "tenant_id": (ForeignKey, TENANT),
    "queue": (Text, {"default": ""}),
    "slot_at": (Timestamptz, MOMENT),
    "step_seconds": (Integer, COUNT),
    "counted_until": (Timestamptz, MOMENT),
    "counted_seconds": (DoublePrecision, SECONDS),
    "depth": (Integer, COUNT),
    "oldest_seconds": (DoublePrecision, SECONDS),
    "in_flight": (Integer, COUNT),
    "arrived": (Integer, COUNT),
    "succeeded": (Integer, COUNT),
    "died": (Integer, COUNT),
    "cancelled": (Integer, COUNT),
}


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    manager.add_table(class_name="QueueSample", tablename="queue_samples", schema=None, columns=None)
    for name, (kind, params) in COLUMNS.items():
        manager.add_column(
            table_class_name="QueueSample",
            tablename="queue_samples",
            column_name=name,
            db_column_name=name,
            column_class_name=kind.__name__,
            column_class=kind,
            params=PLAIN | params,
            schema=None,
        )
    return manager
