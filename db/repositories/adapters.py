"""LoRA adapters by name. No function deletes a row or gives a name a second time."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import new_id

AdapterState = Literal["active", "revoked", "quarantined"]


class AdapterRow(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter version with the owner of its namespace."""

    id: UUID
    tenant_id: UUID
    owner_id: UUID
    namespace: str
    sha256: str
    manifest: bytes
    base_revision: str
    rank: int
    target_modules: list[str]
    size_bytes: int
    state: AdapterState
    state_reason: str
    is_pinned: bool
    created_at: datetime
    revoked_at: datetime | None


_OF_NAMESPACE = {"owner_id": "n.owner_id", "namespace": "n.name AS namespace"}
COLUMNS = ", ".join(_OF_NAMESPACE.get(name, f"a.{name}") for name in AdapterRow.__struct_fields__)
TABLES = "adapters a JOIN adapter_namespaces n ON n.id = a.namespace_id"


async def find(namespace: str, sha256: str, tenant_id: UUID) -> AdapterRow | None:
    """Return the tenant's adapter of that name, whatever its state."""
    return await query.fetch_one(
        AdapterRow,
        f"SELECT {COLUMNS} FROM {TABLES} WHERE n.name = $1 AND a.sha256 = $2 AND a.tenant_id = $3",
        namespace,
        sha256,
        tenant_id,
    )


async def page(tenant_id: UUID, after_id: UUID | None, limit: int) -> list[AdapterRow]:
    """Return the tenant's adapters, oldest first, the revoked ones too."""
    return await query.fetch(
        AdapterRow,
        f"""SELECT {COLUMNS} FROM {TABLES} WHERE a.tenant_id = $1 AND ($2::uuid IS NULL OR a.id > $2)
            ORDER BY a.id LIMIT $3""",
        tenant_id,
        after_id,
        limit,
    )


async def still_active(names: list[str]) -> set[str]:
    """Return those of the names `namespace@sha256` whose adapters are active."""
    return set(
        await query.fetch_values(
            f"SELECT n.name || '@' || a.sha256 FROM {TABLES} "
            "WHERE a.state = 'active' AND n.name || '@' || a.sha256 = ANY($1) AND n.name = ANY($2)",
            names,
            [name.partition("@")[0] for name in names],
        )
    )


async def claim_namespace(uow: UnitOfWork, name: str, tenant_id: UUID, owner_id: UUID) -> UUID | None:
    """Return the id of the person's namespace, which is made when nobody has it; None when it is another's."""
    del uow
    await query.execute(
        """INSERT INTO adapter_namespaces (id, tenant_id, name, owner_id) VALUES ($1, $2, $3, $4)
           ON CONFLICT (name) DO NOTHING""",
        new_id(),
        tenant_id,
        name,
        owner_id,
    )
    found: UUID | None = await query.fetch_value(
        "SELECT id FROM adapter_namespaces WHERE name = $1 AND tenant_id = $2 AND owner_id = $3",
        name,
        tenant_id,
        owner_id,
    )
    return found


async def add(
    uow: UnitOfWork,
    namespace_id: UUID,
    *,
    tenant_id: UUID,
    sha256: str,
    manifest: bytes,
    base_revision: str,
    rank: int,
    target_modules: list[str],
    size_bytes: int,
    is_pinned: bool,
) -> None:
    """Write a new version.

    Raises:
        UniqueViolation: the name was given before, be its adapter revoked or not.
    """
    del uow
    await query.execute(
        """INSERT INTO adapters (id, tenant_id, namespace_id, sha256, manifest, base_revision, rank, target_modules,
                                 size_bytes, is_pinned) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        new_id(),
        tenant_id,
        namespace_id,
        sha256,
        manifest,
        base_revision,
        rank,
        target_modules,
        size_bytes,
        is_pinned,
    )


async def revoke(uow: UnitOfWork, namespace: str, sha256: str, tenant_id: UUID) -> bool:
    """Take an adapter out of use for ever; the row stays. False when there is none that could be."""
    del uow
    changed = await query.execute(
        """UPDATE adapters a SET state = 'revoked', revoked_at = now() FROM adapter_namespaces n
           WHERE n.id = a.namespace_id AND n.name = $1 AND a.sha256 = $2 AND a.tenant_id = $3 AND a.state <> 'revoked'""",
        namespace,
        sha256,
        tenant_id,
    )
    return bool(changed)


async def quarantine(uow: UnitOfWork, namespace: str, sha256: str, tenant_id: UUID, reason: str) -> bool:
    """Let nobody load an active adapter any more; False when there is none."""
    del uow
    changed = await query.execute(
        """UPDATE adapters a SET state = 'quarantined', state_reason = $4 FROM adapter_namespaces n
           WHERE n.id = a.namespace_id AND n.name = $1 AND a.sha256 = $2 AND a.tenant_id = $3 AND a.state = 'active'""",
        namespace,
        sha256,
        tenant_id,
        reason,
    )
    return bool(changed)
