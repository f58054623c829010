"""Adapters and the namespaces of their names."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import Column, OnDelete, OnUpdate
from piccolo.columns.column_types import UUID, Array, BigInt, Boolean, Bytea, ForeignKey, Integer, Text, Timestamptz
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-21T12:45:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "adapters and their namespaces"

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
    id = UUID(default=None, null=False, primary_key=True)


class AdapterNamespace(Table, tablename="adapter_namespaces", schema=None):
    id = UUID(default=None, null=False, primary_key=True)


Columns = dict[str, tuple[type[Column], dict[str, Any]]]


def _reference(table: type[Table]) -> tuple[type[Column], dict[str, Any]]:
    return ForeignKey, {
        "references": table,
        "on_delete": OnDelete.restrict,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "default": None,
    }


KEY: Columns = {"id": (UUID, {"default": None, "primary_key": True}), "tenant_id": _reference(Tenant)}
TEXT, NOW = (Text, {"default": ""}), (Timestamptz, {"default": TimestamptzNow()})

TABLES: dict[tuple[str, str], Columns] = {
    ("AdapterNamespace", "adapter_namespaces"): KEY
    | {"name": TEXT, "owner_id": (UUID, {"default": None}), "created_at": NOW},
    ("Adapter", "adapters"): KEY
    | {
        "namespace_id": _reference(AdapterNamespace),
        "sha256": TEXT,
        "manifest": (Bytea, {"default": b""}),
        "base_revision": TEXT,
        "rank": (Integer, {"default": 0}),
        "target_modules": (Array, {"default": list, "base_column": Text(**PLAIN, default="")}),
        "size_bytes": (BigInt, {"default": 0}),
        "state": (Text, {"default": "active"}),
        "state_reason": TEXT,
        "is_pinned": (Boolean, {"default": False}),
        "created_at": NOW,
        "revoked_at": (Timestamptz, {"default": None, "null": True}),
    },
}


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    for class_name, tablename in TABLES:
        manager.add_table(class_name=class_name, tablename=tablename, schema=None, columns=None)
    for (class_name, tablename), columns in TABLES.items():
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
