"""Which adapters there are. The product asks PostgreSQL; `folder.py` serves a gateway without a database."""

from typing import Literal, Protocol
from uuid import UUID

import msgspec

from db.errors import DatabaseError, UniqueViolation
from db.repositories import adapters
from db.unit_of_work import Principal, unit_of_work
from inference_gateway.adapters.faults import AdapterMissing, NameTaken, StoreUnavailable
from inference_gateway.adapters.manifest import Manifest
from inference_gateway.adapters.names import AdapterName

State = Literal["active", "revoked", "quarantined"]
PAGE = 500


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry keeps under a name. The signed manifest decides whose it is, not the registry."""

    signed: bytes
    state: State = "active"
    is_pinned: bool = False


class Registry(Protocol):
    """Names and what stands behind them. All raise `StoreUnavailable` when nobody answers.

    What changes them is audited where there is an audit log; `by` is who acts, None for the gateway itself.
    """

    async def find(self, name: AdapterName, tenant_id: UUID) -> Entry | None:
        """Return the tenant's adapter of that name, whatever its state."""

    async def add(self, manifest: Manifest, entry: Entry, by: Principal | None = None) -> None:
        """Write a new version; raises `NameTaken` for a name given before, or a namespace of another person."""

    async def revoke(self, name: AdapterName, tenant_id: UUID, by: Principal | None = None) -> None:
        """Take an adapter out of use for ever and keep its name; raises `AdapterMissing` when there is none to revoke."""

    async def quarantine(self, name: AdapterName, tenant_id: UUID, reason: str) -> None:
        """Let nobody load it any more."""

    async def entries(self, tenant_id: UUID) -> list[Entry]:
        """Return the tenant's adapters, the revoked ones too."""

    async def still_active(self, names: list[str]) -> set[str]:
        """Return those of the names whose adapters are active."""


class PostgresRegistry:
    """The registry of the product; the pool of `db.engine` must be open."""

    async def find(self, name: AdapterName, tenant_id: UUID) -> Entry | None:
        """See `Registry`."""
        try:
            row = await adapters.find(name.namespace, name.sha256, tenant_id)
        except DatabaseError as error:
            raise StoreUnavailable from error
        return None if row is None else _entry(row)

    async def add(self, manifest: Manifest, entry: Entry, by: Principal | None = None) -> None:
        """See `Registry`."""
        try:
            async with unit_of_work() as uow:
                namespace_id = await adapters.claim_namespace(
                    uow, manifest.namespace, manifest.tenant_id, manifest.owner_id
                )
                if namespace_id is None:
                    raise NameTaken(f"the namespace {manifest.namespace} is another person's")
                await adapters.add(
                    uow,
                    namespace_id,
                    tenant_id=manifest.tenant_id,
                    sha256=manifest.sha256,
                    manifest=entry.signed,
                    base_revision=manifest.base_revision,
                    rank=manifest.rank,
                    target_modules=list(manifest.target_modules),
                    size_bytes=manifest.size_bytes,
                    is_pinned=entry.is_pinned,
                )
                about = {"adapter_id": str(manifest.name), "owner_id": str(manifest.owner_id)}
                await uow.audit(by, "adapter.added", about, tenant_id=manifest.tenant_id)
        except UniqueViolation:
            raise NameTaken(f"the name {manifest.name} was given before") from None
        except DatabaseError as error:
            raise StoreUnavailable from error

    async def revoke(self, name: AdapterName, tenant_id: UUID, by: Principal | None = None) -> None:
        """See `Registry`."""
        try:
            async with unit_of_work() as uow:
                if not await adapters.revoke(uow, name.namespace, name.sha256, tenant_id):
                    raise AdapterMissing(str(name))
                await uow.audit(by, "adapter.revoked", {"adapter_id": str(name)}, tenant_id=tenant_id)
        except DatabaseError as error:
            raise StoreUnavailable from error

    async def quarantine(self, name: AdapterName, tenant_id: UUID, reason: str) -> None:
        """See `Registry`."""
        try:
            async with unit_of_work() as uow:
                if await adapters.quarantine(uow, name.namespace, name.sha256, tenant_id, reason):
                    about = {"adapter_id": str(name), "reason": reason}
                    await uow.audit(None, "adapter.quarantined", about, tenant_id=tenant_id)
        except DatabaseError as error:
            raise StoreUnavailable from error

    async def entries(self, tenant_id: UUID) -> list[Entry]:
        """See `Registry`."""
        found: list[adapters.AdapterRow] = []
        try:
            while len(page := await adapters.page(tenant_id, found[-1].id if found else None, PAGE)) == PAGE:
                found += page
        except DatabaseError as error:
            raise StoreUnavailable from error
        return [_entry(row) for row in [*found, *page]]

    async def still_active(self, names: list[str]) -> set[str]:
        """See `Registry`."""
        try:
            return await adapters.still_active(names)
        except DatabaseError as error:
            raise StoreUnavailable from error


def _entry(row: adapters.AdapterRow) -> Entry:
    return Entry(signed=row.manifest, state=row.state, is_pinned=row.is_pinned)
