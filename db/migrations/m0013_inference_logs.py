"""What the inference gateway was asked, quotas, and what tenants allow."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.base import Column, OnDelete, OnUpdate
from piccolo.columns.column_types import (
    UUID,
    BigInt,
    Boolean,
    Bytea,
    DoublePrecision,
    ForeignKey,
    Integer,
    Numeric,
    Text,
    Timestamptz,
)
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.columns.indexes import IndexMethod
from piccolo.table import Table

ID = "2026-11-21T13:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "inference logs, quotas and policies"

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


Columns = dict[str, tuple[type[Column], dict[str, Any]]]

OPTIONAL: dict[str, Any] = {"default": None, "null": True}
KEY: dict[str, Any] = {"default": None, "primary_key": True}
NOW = {"default": TimestamptzNow()}
WORD = {"default": ""}
COUNT = {"default": 0}
SECONDS = {"default": 0.0}
NO = {"default": False}
TENANT: dict[str, Any] = {
    "references": Tenant,
    "on_delete": OnDelete.restrict,
    "on_update": OnUpdate.cascade,
    "target_column": None,
    "default": None,
}
LOG: Columns = {
    "id": (UUID, KEY),
    "tenant_id": (UUID, OPTIONAL),
    "user_id": (UUID, OPTIONAL),
    "course_id": (UUID, OPTIONAL),
    **dict.fromkeys(("request_id", "purpose", "asked_model", "model", "model_hash", "adapter_id"), (Text, WORD)),
    "upstream": (Text, WORD),
    "degraded": (Boolean, NO),
    "cache_hit": (Boolean, NO),
    "finish_reason": (Text, OPTIONAL),
    "error_code": (Text, WORD),
    "prompt_tokens": (Integer, COUNT),
    "completion_tokens": (Integer, COUNT),
    "queue_seconds": (DoublePrecision, OPTIONAL),
    "first_token_seconds": (DoublePrecision, OPTIONAL),
    "total_seconds": (DoublePrecision, SECONDS),
    "cost": (Numeric, OPTIONAL | {"digits": (20, 9)}),
    "temperature": (DoublePrecision, SECONDS),
    "seed": (BigInt, OPTIONAL),
    "prompt_sha256": (Text, WORD),
    "text_sealed": (Bytea, OPTIONAL),
    "finished_at": (Timestamptz, NOW),
}
QUOTA: Columns = {
    "id": (UUID, KEY),
    "tenant_id": (ForeignKey, TENANT),
    "level": (Text, WORD),
    "subject_id": (UUID, OPTIONAL),
    "tokens": (BigInt, OPTIONAL),
    "requests": (BigInt, OPTIONAL),
    "period_seconds": (Integer, {"default": 86_400}),
    "updated_by": (UUID, OPTIONAL),
    "updated_at": (Timestamptz, NOW),
}
POLICY: Columns = {
    "id": (UUID, KEY),
    "tenant_id": (ForeignKey, TENANT),
    "weight": (DoublePrecision, {"default": 1.0}),
    "consented_at": (Timestamptz, OPTIONAL),
    "text_may_leave": (Boolean, NO),
    "updated_by": (UUID, OPTIONAL),
    "updated_at": (Timestamptz, NOW),
}


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    for class_name, table, columns in (
        ("InferenceLog", "inference_logs", LOG),
        ("Quota", "quotas", QUOTA),
        ("InferencePolicy", "inference_policies", POLICY),
    ):
        manager.add_table(class_name=class_name, tablename=table, schema=None, columns=None)
        for name, (kind, params) in columns.items():
            manager.add_column(
                table_class_name=class_name,
                tablename=table,
                column_name=name,
                db_column_name=name,
                column_class_name=kind.__name__,
                column_class=kind,
                params=PLAIN | params,
                schema=None,
            )
    return manager
