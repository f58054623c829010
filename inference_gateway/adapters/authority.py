"""The proof that an adapter was authorised: made by the gate, asked for by the engine.

The key never leaves the process, so an `AuthorisedAdapter` that anything but the gate has made, for instance from a name
in a request, is worth nothing to the engine.
"""

import hashlib
import hmac
import os
from uuid import UUID

import msgspec

from inference_gateway.adapters.manifest import Manifest
from inference_gateway.errors import AdapterUnknown
from inference_gateway.ports import AuthorisedAdapter

KEY_BYTES = 32


class Authority:
    """One of a process, shared by its gate and its engine."""

    def __init__(self) -> None:
        self._key = os.urandom(KEY_BYTES)

    def vouch(self, manifest: Manifest, user_id: UUID) -> AuthorisedAdapter:
        """Return the adapter as authorised for a request of that person."""
        adapter = AuthorisedAdapter(
            id=str(manifest.name),
            sha256=manifest.sha256,
            owner_id=manifest.owner_id,
            base_revision=manifest.base_revision,
            tenant_id=manifest.tenant_id,
            user_id=user_id,
        )
        return msgspec.structs.replace(adapter, proof=self._proof(adapter))

    def check(self, adapter: AuthorisedAdapter) -> None:
        """Return when the gate has authorised this adapter in this process, for a request of its owner.

        Raises:
            AdapterUnknown: anything else.
        """
        if not hmac.compare_digest(self._proof(adapter), adapter.proof) or not self.is_owner(adapter):
            raise AdapterUnknown

    def is_owner(self, adapter: AuthorisedAdapter) -> bool:
        """Tell whether the person who asked is the one whose adapter it is."""
        return adapter.user_id is not None and adapter.user_id == adapter.owner_id

    def _proof(self, adapter: AuthorisedAdapter) -> bytes:
        fields = (
            adapter.id,
            adapter.sha256,
            adapter.owner_id,
            adapter.base_revision,
            adapter.tenant_id,
            adapter.user_id,
        )
        return hmac.digest(self._key, "\n".join(map(str, fields)).encode(), hashlib.sha256)
