"""The owner check, on every request and before any cache.

Nothing is remembered between requests: the registry is asked each time, and what decides is the owner in the signed manifest
against the person in the signed service token. What is foreign and what is not there look alike to the caller.
"""

import hmac
from uuid import UUID

import msgspec

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.faults import ManifestForged, StoreUnavailable
from inference_gateway.adapters.library import AdapterLibrary, Standing
from inference_gateway.adapters.manifest import Manifest
from inference_gateway.adapters.metrics import DENIED
from inference_gateway.adapters.names import AdapterName
from inference_gateway.caller import Caller
from inference_gateway.errors import AdapterUnknown, GatewayUnavailable
from inference_gateway.ports import AuthorisedAdapter
from ops.runtime.logging import get_logger

log = get_logger(__name__)

POINTER = "/adapter"
RETRY_AFTER_SECONDS = 2


class RegistryGate:
    """The `AdapterGate` of a gateway with adapters."""

    def __init__(self, library: AdapterLibrary, authority: Authority) -> None:
        self._library = library
        self._authority = authority

    async def authorise(self, adapter_id: str, caller: Caller) -> AuthorisedAdapter:
        """Return the adapter of that name if it is the caller's own.

        A quarantined one is authorised, since it is the caller's, and says so: the base model answers in its place.

        Raises:
            AdapterUnknown: there is none, it was revoked, it is another's, or the token was made for another adapter.
            GatewayUnavailable: the registry does not answer.
        """
        name = AdapterName.parse(adapter_id)
        found = await self._found(name, caller)
        if found is None or caller.user_id is None or not self._is_permitted(found.manifest, caller):
            DENIED.inc()
            log.warning(
                "adapter_denied",
                adapter_id=str(name) if name else "",
                tenant_id=str(caller.tenant_id),
                user_id=str(caller.user_id),
                is_foreign=found is not None and not self._is_owner(found.manifest, caller),
            )
            raise AdapterUnknown(pointer=POINTER)
        adapter = self._authority.vouch(found.manifest, caller.user_id)
        return msgspec.structs.replace(adapter, is_quarantined=True) if found.is_quarantined else adapter

    async def _found(self, name: AdapterName | None, caller: Caller) -> Standing | None:
        if name is None or caller.tenant_id is None:
            return None
        try:
            return await self._library.standing(name, caller.tenant_id)
        except ManifestForged:
            return None
        except StoreUnavailable:
            raise GatewayUnavailable(
                "The registry of adapters does not answer.", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from None

    def _is_permitted(self, manifest: Manifest, caller: Caller) -> bool:
        """A token that names an adapter serves for no other; one that names none serves for all of its person's."""
        bound = caller.adapter_hash
        return self._is_owner(manifest, caller) and (not bound or hmac.compare_digest(bound, manifest.sha256))

    def _is_owner(self, manifest: Manifest, caller: Caller) -> bool:
        owner: tuple[UUID, UUID] = (manifest.tenant_id, manifest.owner_id)
        return owner == (caller.tenant_id, caller.user_id)
