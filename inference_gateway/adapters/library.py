"""Adapters with their weights: how they come in, how the engine gets them, how they go."""

import asyncio
import hashlib
from uuid import UUID

import msgspec

from db.unit_of_work import Principal
from inference_gateway.adapters.faults import (
    AdapterFault,
    AdapterMissing,
    ManifestForged,
    ManifestMismatch,
    StoreUnavailable,
    WeightsCorrupt,
)
from inference_gateway.adapters.manifest import Manifest, ManifestKey
from inference_gateway.adapters.metrics import QUARANTINED
from inference_gateway.adapters.names import AdapterName
from inference_gateway.adapters.registry import Entry, Registry
from inference_gateway.adapters.weights import check_modules, read_matrices
from inference_gateway.ports import AuthorisedAdapter
from ops.runtime.logging import get_logger
from ops.runtime.objects import ObjectMissing, ObjectStore, ObjectStoreUnavailable

log = get_logger(__name__)

WEIGHTS_FILE = "adapter_model.safetensors"


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """Weights whose checksum, signature and form have been verified."""

    manifest: Manifest
    weights: bytes
    is_pinned: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter that was not revoked."""

    manifest: Manifest
    is_quarantined: bool


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter and its state; no manifest where the signature does not hold."""

    manifest: Manifest | None
    entry: Entry


class AdapterLibrary:
    """The registry and the object store together, with the key that manifests are signed with."""

    def __init__(self, registry: Registry, store: ObjectStore, key: ManifestKey) -> None:
        self._registry = registry
        self._store = store
        self._key = key

    async def add(
        self, manifest: Manifest, weights: bytes, *, is_pinned: bool = False, by: Principal | None = None
    ) -> str:
        """Sign, store and register a new version; return its id. `by` is who acts, for the audit log.

        Raises:
            NameTaken: the name was given before, or the namespace is another person's.
            WeightsCorrupt: the weights are not what the manifest says.
            StoreUnavailable: the registry or the object store does not answer.
        """
        await asyncio.to_thread(_check_weights, manifest, weights)
        entry = Entry(signed=self._key.sign(manifest), is_pinned=is_pinned)
        # The weights come second: the name alone decides who may write under this key.
        await self._registry.add(manifest, entry, by)
        try:
            await self._store.put(weights_key(manifest.name, manifest.tenant_id), weights)
        except ObjectStoreUnavailable as error:
            raise StoreUnavailable from error
        return str(manifest.name)

    async def manifest(self, name: AdapterName, tenant_id: UUID) -> Manifest | None:
        """Return the manifest as `standing` does."""
        found = await self.standing(name, tenant_id)
        return None if found is None else found.manifest

    async def standing(self, name: AdapterName, tenant_id: UUID) -> Standing | None:
        """Return the verified manifest of an adapter that was not revoked; None where there is none.

        Raises:
            ManifestForged: it is not signed by us; the adapter is in quarantine now.
            StoreUnavailable: the registry does not answer.
        """
        entry = await self._registry.find(name, tenant_id)
        if entry is None or entry.state == "revoked":
            return None
        try:
            manifest = self._verified(entry, name, tenant_id)
        except AdapterFault as fault:
            await self.quarantine(name, tenant_id, fault)
            raise ManifestForged from fault
        return Standing(manifest=manifest, is_quarantined=entry.state == "quarantined")

    async def fetch(self, adapter: AuthorisedAdapter) -> Artefact:
        """Return the weights, verified; corrupt ones are put into quarantine.

        Raises:
            AdapterFault: it cannot be had, or must not be loaded.
        """
        name = AdapterName.parse(adapter.id)
        if name is None or adapter.tenant_id is None:
            raise AdapterMissing(adapter.id)
        return await self.artefact(name, adapter.tenant_id, (adapter.owner_id, adapter.base_revision))

    async def artefact(
        self, name: AdapterName, tenant_id: UUID, authorised: tuple[UUID, str] | None = None
    ) -> Artefact:
        """Return an active adapter for whoever runs the installation; with `authorised`, of that owner and base revision.

        Raises:
            AdapterFault: as `fetch`.
        """
        entry = await self._registry.find(name, tenant_id)
        if entry is None or entry.state != "active":
            raise AdapterMissing(str(name))
        try:
            manifest = self._verified(entry, name, tenant_id)
            if authorised is not None and (manifest.owner_id, manifest.base_revision) != authorised:
                raise ManifestMismatch(str(name))
            weights = await self._weights(name, tenant_id)
            await asyncio.to_thread(_check_weights, manifest, weights)
        except AdapterFault as fault:
            await self.quarantine(name, tenant_id, fault)
            raise
        return Artefact(manifest=manifest, weights=weights, is_pinned=entry.is_pinned)

    async def revoke(self, name: AdapterName, tenant_id: UUID, by: Principal | None = None) -> None:
        """Take an adapter out of use for ever and delete its weights; its name is never given again.

        Raises:
            AdapterMissing: the tenant has none of that name, or it was revoked before.
            StoreUnavailable: the registry or the object store does not answer; ask again.
        """
        try:
            await self._registry.revoke(name, tenant_id, by)
        finally:  # weights that an earlier call could not delete go too
            try:
                await self._store.delete(weights_key(name, tenant_id))
            except ObjectStoreUnavailable as error:
                raise StoreUnavailable from error
        log.info("adapter_revoked", adapter_id=str(name), tenant_id=str(tenant_id))

    async def quarantine(self, name: AdapterName, tenant_id: UUID, fault: AdapterFault) -> None:
        """Note a corrupt adapter as a security event and let nobody load it any more; other faults change nothing."""
        if not fault.corrupt:
            return
        QUARANTINED.labels(fault.reason).inc()
        log.error("adapter_quarantined", adapter_id=str(name), tenant_id=str(tenant_id), reason=fault.reason)
        try:
            await self._registry.quarantine(name, tenant_id, fault.reason)
        except StoreUnavailable:
            log.warning("adapter_quarantine_not_recorded", adapter_id=str(name))

    async def listed(self, tenant_id: UUID) -> list[Listed]:
        """Return the tenant's adapters, the revoked ones too."""
        return [self._listed(entry) for entry in await self._registry.entries(tenant_id)]

    async def still_active(self, ids: list[str]) -> set[str]:
        """Return those of the ids that may still be served."""
        return await self._registry.still_active(ids)

    def _listed(self, entry: Entry) -> Listed:
        try:
            return Listed(manifest=self._key.verify(entry.signed), entry=entry)
        except ManifestForged:
            return Listed(manifest=None, entry=entry)

    def _verified(self, entry: Entry, name: AdapterName, tenant_id: UUID) -> Manifest:
        manifest = self._key.verify(entry.signed)
        if (manifest.name, manifest.tenant_id) != (name, tenant_id):
            raise ManifestMismatch(str(name))
        return manifest

    async def _weights(self, name: AdapterName, tenant_id: UUID) -> bytes:
        try:
            return await self._store.get(weights_key(name, tenant_id))
        except ObjectMissing:
            raise AdapterMissing(str(name)) from None
        except ObjectStoreUnavailable as error:
            raise StoreUnavailable from error


def weights_key(name: AdapterName, tenant_id: UUID) -> str:
    """Return the key of an adapter's weights in the object store."""
    return f"{tenant_id}/adapters/{name.namespace}/{name.sha256}/{WEIGHTS_FILE}"


def _check_weights(manifest: Manifest, weights: bytes) -> None:
    """The checksum comes first: nothing of other bytes is read."""
    if len(weights) != manifest.size_bytes or hashlib.sha256(weights).hexdigest() != manifest.sha256:
        raise WeightsCorrupt("the checksum is another")
    check_modules(read_matrices(weights), manifest.rank, manifest.target_modules)
