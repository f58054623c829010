"""Which entry of the audit log a broken seal is about."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import Bytea
from piccolo.columns.indexes import IndexMethod

ID = "2026-11-21T06:09:30:000000"
VERSION = "1.38.0"
DESCRIPTION = "digests of sealed entries"


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="lyceum", description=DESCRIPTION)
    manager.add_column(
        table_class_name="AuditSeal",
        tablename="audit_seals",
        column_name="entry_digests",
        db_column_name="entry_digests",
        column_class_name="Bytea",
        column_class=Bytea,
        params={
            "default": None,
            "null": True,
            "primary_key": False,
            "unique": False,
            "index": False,
            "index_method": IndexMethod.btree,
            "choices": None,
            "db_column_name": None,
            "secret": False,
        },
        schema=None,
    )
    return manager
