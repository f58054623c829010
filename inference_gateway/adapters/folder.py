"""A registry of small objects, in a folder or in memory, for a gateway without a database.

It has one writer at a time: two that claim one name in the same instant would not see each other. The product's registry
is PostgreSQL's.
"""

import asyncio
from typing import Final
from uuid import UUID

import msgspec

from db.unit_of_work import Principal
from inference_gateway.adapters.faults import AdapterMissing, NameTaken, StoreUnavailable
from inference_gateway.adapters.manifest import Manifest
from inference_gateway.adapters.names import AdapterName
from inference_gateway.adapters.registry import Entry, State
from ops.runtime.objects import ObjectMissing, ObjectStore, ObjectStoreUnavailable

FOLDER: Final = "adapter-registry"
OWNER: Final = "owner.json"


class _Owner(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    owner_id: UUID


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    entry: Entry


class ObjectRegistry:
    """See `Registry`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._writing = asyncio.Lock()

    async def find(self, name: AdapterName, tenant_id: UUID) -> Entry | None:
        """See `Registry`."""
        kept = await self._read(_key(name))
        return kept.entry if kept is not None and kept.tenant_id == tenant_id else None

    async def add(self, manifest: Manifest, entry: Entry, by: Principal | None = None) -> None:  # noqa: ARG002 - no audit log
        """See `Registry`."""
        owner = _Owner(tenant_id=manifest.tenant_id, owner_id=manifest.owner_id)
        async with self._writing:
            claimed = await self._get(f"{FOLDER}/{manifest.namespace}/{OWNER}")
            if claimed is not None and msgspec.json.decode(claimed, type=_Owner) != owner:
                raise NameTaken(f"the namespace {manifest.namespace} is another person's")
            if await self._get(_key(manifest.name)) is not None:
                raise NameTaken(f"the name {manifest.name} was given before")
            await self._put(f"{FOLDER}/{manifest.namespace}/{OWNER}", owner)
            await self._put(_key(manifest.name), _Kept(tenant_id=manifest.tenant_id, entry=entry))

    async def revoke(self, name: AdapterName, tenant_id: UUID, by: Principal | None = None) -> None:  # noqa: ARG002
        """See `Registry`."""
        async with self._writing:
            if not await self._change(name, tenant_id, "revoked", {"active", "quarantined"}):
                raise AdapterMissing(str(name))

    async def quarantine(self, name: AdapterName, tenant_id: UUID, reason: str) -> None:  # noqa: ARG002 - the log has it
        """See `Registry`."""
        async with self._writing:
            await self._change(name, tenant_id, "quarantined", {"active"})

    async def entries(self, tenant_id: UUID) -> list[Entry]:
        """See `Registry`."""
        try:
            keys = await self._store.list(FOLDER)
        except ObjectStoreUnavailable as error:
            raise StoreUnavailable from error
        found = [await self._read(key) for key in keys if not key.endswith(f"/{OWNER}")]
        return [kept.entry for kept in found if kept is not None and kept.tenant_id == tenant_id]

    async def still_active(self, names: list[str]) -> set[str]:
        """See `Registry`."""
        parsed = {text: AdapterName.parse(text) for text in names}
        found = {text: await self._read(_key(name)) for text, name in parsed.items() if name is not None}
        return {text for text, kept in found.items() if kept is not None and kept.entry.state == "active"}

    async def _change(self, name: AdapterName, tenant_id: UUID, state: State, before: set[State]) -> bool:
        kept = await self._read(_key(name))
        if kept is None or kept.tenant_id != tenant_id or kept.entry.state not in before:
            return False
        entry = msgspec.structs.replace(kept.entry, state=state)
        await self._put(_key(name), msgspec.structs.replace(kept, entry=entry))
        return True

    async def _read(self, key: str) -> _Kept | None:
        data = await self._get(key)
        return None if data is None else msgspec.json.decode(data, type=_Kept)

    async def _get(self, key: str) -> bytes | None:
        try:
            return await self._store.get(key)
        except ObjectMissing:
            return None
        except ObjectStoreUnavailable as error:
            raise StoreUnavailable from error

    async def _put(self, key: str, value: msgspec.Struct) -> None:
        try:
            await self._store.put(key, msgspec.json.encode(value))
        except ObjectStoreUnavailable as error:
            raise StoreUnavailable from error


def _key(name: AdapterName) -> str:
    return f"{FOLDER}/{name.namespace}/{name.sha256}.json"
