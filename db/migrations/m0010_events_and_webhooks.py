"""Domain events, their consumers, and webhooks."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import Column, OnDelete, OnUpdate
from piccolo.columns.column_types import (
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytea,
    ForeignKey,
    Integer,
    Text,
    Timestamptz,
)
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-21T09:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "domain events, their consumers, and webhooks"

PLAIN: dict[str, Any] = {
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


class OutboxEvent(Table, tablename="outbox", schema=None):
    id = UUID(default=None, null=False, primary_key=True)


class WebhookEndpoint(Table, tablename="webhook_endpoints", schema=None):
    id = UUID(default=None, null=False, primary_key=True)


class WebhookDelivery(Table, tablename="webhook_deliveries", schema=None):
    id = UUID(default=None, null=False, primary_key=True)


class WebhookSource(Table, tablename="webhook_sources", schema=None):
    id = UUID(default=None, null=False, primary_key=True)


def _reference(table: type[Table]) -> tuple[type[Column], dict[str, Any]]:
    return ForeignKey, {
        "references": table,
        "on_delete": OnDelete.restrict,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "default": None,
        "null": False,
    }


def _optional(kind: type[Column]) -> tuple[type[Column], dict[str, Any]]:
    return kind, {"default": None, "null": True}


def _of(kind: type[Column], default: Any) -> tuple[type[Column], dict[str, Any]]:
    return kind, {"default": default, "null": False}


Columns = dict[str, tuple[type[Column], dict[str, Any]]]

KEY: Columns = {"id": (UUID, {"default": None, "null": False, "primary_key": True})}
TENANT: Columns = {"tenant_id": _reference(Tenant)}
TEXT, NOW, COUNT = _of(Text, ""), _of(Timestamptz, TimestamptzNow()), _of(Integer, 0)
WORDS = (Array, {"default": list, "base_column": Text(**PLAIN, default="", null=False), "null": False})

OUTBOX: Columns = (
    KEY
    | TENANT
    | {
        "user_id": _optional(UUID),
        "kind": TEXT,
        "version": COUNT,
        "payload": TEXT,
        "subject_id": _optional(UUID),
        "request_id": TEXT,
        "traceparent": TEXT,
        "created_at": NOW,
        "position": _optional(BigInt),
        "sent_at": _optional(Timestamptz),
    }
)
CONSUMER: Columns = KEY | {"name": TEXT, "position": _of(BigInt, 0), "created_at": NOW, "updated_at": NOW}
RECEIPT: Columns = KEY | {"consumer": TEXT, "event_id": _of(UUID, None), "handled_at": NOW}
FAILURE: Columns = (
    KEY
    | TENANT
    | {
        "consumer": TEXT,
        "event_id": _reference(OutboxEvent),
        "state": TEXT,
        "attempts": _of(Integer, 1),
        "error": TEXT,
        "retry_at": _optional(Timestamptz),
        "failed_at": NOW,
    }
)
SECRETS: Columns = {
    "secret": _of(Bytea, b""),
    "previous_secret": _optional(Bytea),
    "previous_until": _optional(Timestamptz),
}
ENDPOINT: Columns = (
    KEY
    | TENANT
    | SECRETS
    | {
        "url": TEXT,
        "description": TEXT,
        "events": WORDS,
        "is_enabled": _of(Boolean, True),
        "disabled_reason": _optional(Text),
        "failing_since": _optional(Timestamptz),
        "deleted_at": _optional(Timestamptz),
        "created_by": _optional(UUID),
        "created_at": NOW,
        "updated_at": NOW,
    }
)
DELIVERY: Columns = (
    KEY
    | TENANT
    | {
        "endpoint_id": _reference(WebhookEndpoint),
        "event_id": _optional(UUID),
        "kind": TEXT,
        "body": TEXT,
        "state": _of(Text, "waiting"),
        "attempts": COUNT,
        "job_id": _optional(UUID),
        "created_at": NOW,
        "ended_at": _optional(Timestamptz),
    }
)
ATTEMPT: Columns = KEY | {
    "delivery_id": _reference(WebhookDelivery),
    "attempt": COUNT,
    "status": _optional(Integer),
    "error": _optional(Text),
    "duration_ms": COUNT,
    "created_at": NOW,
}
SOURCE: Columns = (
    KEY
    | TENANT
    | SECRETS
    | {
        "name": TEXT,
        "description": TEXT,
        "created_by": _optional(UUID),
        "created_at": NOW,
        "updated_at": NOW,
        "received_at": _optional(Timestamptz),
    }
)
MESSAGE: Columns = KEY | {"source_id": _reference(WebhookSource), "message_id": TEXT, "received_at": NOW}

TABLES: dict[tuple[str, str], Columns] = {
    ("OutboxEvent", "outbox"): OUTBOX,
    ("EventConsumer", "event_consumers"): CONSUMER,
    ("EventReceipt", "event_receipts"): RECEIPT,
    ("EventFailure", "event_failures"): FAILURE,
    ("WebhookEndpoint", "webhook_endpoints"): ENDPOINT,
    ("WebhookDelivery", "webhook_deliveries"): DELIVERY,
    ("WebhookAttempt", "webhook_attempts"): ATTEMPT,
    ("WebhookSource", "webhook_sources"): SOURCE,
    ("WebhookReceipt", "webhook_receipts"): MESSAGE,
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
