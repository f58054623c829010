"""The audit log and the seals that chain it. The program may insert and read here, never change or delete."""

from piccolo.columns import JSONB, BigInt, Bytea, Integer, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, primary_key


class AuditEntry(Table, tablename="audit_log", db=ENGINE):
    """One act. `transaction_id` orders entries so that none can appear behind one that is sealed already."""

    id = primary_key()
    timestamp = created()
    tenant_id = UUIDColumn(null=True, default=None)
    service_name = Text()
    user_id = UUIDColumn(null=True, default=None)
    action = Text()
    metadata = JSONB(default="{}")
    sealed = Bytea(null=True, default=None)
    request_id = Text()
    transaction_id = BigInt()


class AuditSeal(Table, tablename="audit_seals", db=ENGINE):
    """A batch of entries in order, with the hash over them and the seal before.

    `entry_digests` holds 8 bytes for each entry: they prove nothing, they tell which entry it is when the hash does not fit.
    """

    id = primary_key()
    number = BigInt(unique=True)
    entry_count = Integer()
    last_transaction_id = BigInt()
    last_entry_id = UUIDColumn(default=None)
    previous_hash = Bytea()
    hash = Bytea()
    entry_digests = Bytea(null=True, default=None)
    created_at = created()
