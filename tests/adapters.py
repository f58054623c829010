"""Adapters for tests: signed manifests, safetensors made by hand, and a library in memory."""

import hashlib
import json
import os
import struct
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from inference_gateway.adapters.folder import ObjectRegistry
from inference_gateway.adapters.library import AdapterLibrary
from inference_gateway.adapters.manifest import Manifest, ManifestKey, Probe
from inference_gateway.caller import Caller
from ops.runtime.objects import ObjectStore

RANK = 2
WIDTH = 4
MODULE = "model.layers.0.self_attn.q_proj"


def safetensors_of(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """Return a file of random float32 tensors."""
    header: dict[str, Any] = {}
    body = b""
    for name, shape in shapes.items():
        data = struct.pack(f"<{_items(shape)}f", *(byte / 256 for byte in os.urandom(_items(shape))))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (len(body), len(body) + len(data))}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _items(shape: tuple[int, ...]) -> int:
    items = 1
    for extent in shape:
        items *= extent
    return items


def small_weights(module: str = MODULE) -> bytes:
    """Return a pair of matrices, each time others."""
    prefix = f"base_model.model.{module}.lora_"
    return safetensors_of({f"{prefix}A.weight": (RANK, WIDTH), f"{prefix}B.weight": (WIDTH, RANK)})


def manifest_of(weights: bytes, tenant_id: UUID, owner_id: UUID, **changes: Any) -> Manifest:
    """Return what a trainer says of these weights."""
    fields: dict[str, Any] = {
        "namespace": f"ns-{owner_id.hex}",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "tenant_id": tenant_id,
        "owner_id": owner_id,
        "base_revision": "b" * 64,
        "rank": RANK,
        "alpha": 2 * RANK,
        "target_modules": ("q_proj",),
        "size_bytes": len(weights),
        "probe": Probe(prompt=(1, 2, 3), logits=(0.5,)),
        "created_at": datetime.now(UTC),
    }
    return Manifest(**(fields | changes))


def caller_of(tenant_id: UUID | None, user_id: UUID | None, adapter_hash: str = "") -> Caller:
    """Return the caller that a token of that person names."""
    return Caller(tenant_id=tenant_id, user_id=user_id, purpose="generate", adapter_hash=adapter_hash)


class Shelf:
    """A library without a database, and its parts."""

    def __init__(self, store: ObjectStore | None = None) -> None:
        self.key = ManifestKey(os.urandom(32))
        self.store = store or ObjectStore.from_url("memory://")
        self.registry = ObjectRegistry(self.store)
        self.library = AdapterLibrary(self.registry, self.store, self.key)
        self.tenant_id = uuid4()

    async def adapter(self, owner_id: UUID, **changes: Any) -> Manifest:
        """Add an adapter of that person."""
        weights = small_weights()
        manifest = manifest_of(weights, self.tenant_id, owner_id, **changes)
        await self.library.add(manifest, weights)
        return manifest
