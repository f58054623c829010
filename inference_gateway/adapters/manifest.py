"""What an adapter is and whose it is, in one signed statement.

The signature is an HMAC-SHA256 under a key derived (HKDF, RFC 5869) from the key between Lyceum's processes. An asymmetric
signature would add nothing here: who makes adapters and who serves them both hold that key, and whoever holds it can
sign a token in anybody's name anyway. The derivation keeps the two uses apart: no token is ever a manifest, nor a manifest
a token.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from inference_gateway.adapters.faults import ManifestForged
from inference_gateway.adapters.names import NAMESPACE_PATTERN, SHA256_PATTERN, AdapterName
from ops.runtime.crypto import derived_key

PURPOSE: Final = b"lyceum adapter manifest v1"
MAX_RANK: Final = 256
MAX_ADAPTER_BYTES: Final = 1 << 30
PROBE_TOKENS: Final = 64
MODULE_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"

Digest = Annotated[str, Meta(pattern=SHA256_PATTERN)]
Module = Annotated[str, Meta(pattern=MODULE_PATTERN, max_length=200)]


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fixed prompt, and what the model with the adapter gives for its next token.

    `logits` are those of `len(logits)` tokens spread evenly over the vocabulary: with another adapter, or none, they differ.
    """

    prompt: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1, max_length=PROBE_TOKENS)]
    logits: Annotated[tuple[float, ...], Meta(min_length=1, max_length=PROBE_TOKENS)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An immutable version. `sha256` and `size_bytes` are the weights file's, `base_revision` is the base weights' sha256.

    The update of a module is `alpha / rank * B @ A`, and nothing else is adapted.
    """

    namespace: Annotated[str, Meta(pattern=NAMESPACE_PATTERN)]
    sha256: Digest
    tenant_id: UUID
    owner_id: UUID
    base_revision: Digest
    rank: Annotated[int, Meta(ge=1, le=MAX_RANK)]
    alpha: Annotated[int, Meta(ge=1)]
    target_modules: Annotated[tuple[Module, ...], Meta(min_length=1, max_length=64)]
    size_bytes: Annotated[int, Meta(ge=1, le=MAX_ADAPTER_BYTES)]
    probe: Probe
    created_at: datetime

    @property
    def name(self) -> AdapterName:
        """`namespace@sha256`."""
        return AdapterName(namespace=self.namespace, sha256=self.sha256)


class _Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    manifest: bytes
    signature: bytes


class ManifestKey:
    """Signs and verifies manifests."""

    def __init__(self, service_key: bytes) -> None:
        self._key = derived_key(service_key, PURPOSE)

    def sign(self, manifest: Manifest) -> bytes:
        """Return the manifest with its signature, as JSON."""
        body = msgspec.json.encode(manifest, order="deterministic")
        return msgspec.json.encode(_Signed(manifest=body, signature=self._signature(body)))

    def verify(self, signed: bytes) -> Manifest:
        """Return what was signed; nothing of it is read before the signature holds.

        Raises:
            ManifestForged: it was signed with another key, altered, or is no manifest.
        """
        try:
            envelope = msgspec.json.decode(signed, type=_Signed)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ManifestForged("not a signed manifest") from None
        if not hmac.compare_digest(self._signature(envelope.manifest), envelope.signature):
            raise ManifestForged("the signature does not hold")
        try:
            return msgspec.json.decode(envelope.manifest, type=Manifest)
        except msgspec.DecodeError as error:
            raise ManifestForged("signed, but not a manifest") from error

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)
