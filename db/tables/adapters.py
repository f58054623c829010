"""LoRA adapters that the inference gateway may serve, and whose their names are."""

from piccolo.columns import Array, BigInt, Boolean, Bytea, Integer, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class AdapterNamespace(Table, tablename="adapter_namespaces", db=ENGINE):
    """The first half of adapters' names. It is one person's for ever; no reference, for it outlives the person's row."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    name = Text()
    owner_id = UUIDColumn(default=None)
    created_at = created()


class Adapter(Table, tablename="adapters", db=ENGINE):
    """One immutable version, named `namespace@sha256`. Rows are never deleted: a revoked one keeps its name from reuse.

    `manifest` is signed and decides whose the adapter is; the other columns repeat what lists show.
    """

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    namespace_id = reference(AdapterNamespace, index=False)
    sha256 = Text()
    manifest = Bytea()
    base_revision = Text()
    rank = Integer()
    target_modules = Array(base_column=Text(), default=list)
    size_bytes = BigInt()
    state = Text(default="active")
    state_reason = Text()
    is_pinned = Boolean(default=False)
    created_at = created()
    revoked_at = moment()
