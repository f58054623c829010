"""LoRA adapters for small models: random ones, and what a model is with one of them worked into its weights."""

import copy
from typing import Any
from uuid import UUID, uuid4

import torch
from safetensors.torch import load, save
from torch import Tensor

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.gate import RegistryGate
from inference_gateway.adapters.library import weights_key
from inference_gateway.adapters.manifest import Manifest, Probe
from inference_gateway.adapters.names import AdapterName
from inference_gateway.adapters.supply import AdapterLimits, AdapterSupply
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.probe import fingerprint
from inference_gateway.ports import AuthorisedAdapter
from tests.adapters import Shelf, caller_of, manifest_of

RANK = 8
TARGETS = ("q_proj", "v_proj", "down_proj")
PROBE = (1, 7, 11, 13)


def random_weights(model: LanguageModel, seed: int, targets: tuple[str, ...] = TARGETS) -> bytes:
    """Return matrices that change the model's mind."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for path, module in model._model.named_modules():
        if path.rpartition(".")[2] in targets:
            base = getattr(module, "base_layer", module)
            for side, shape in (("A", (RANK, base.in_features)), ("B", (base.out_features, RANK))):
                tensors[f"base_model.model.{path}.lora_{side}.weight"] = 0.2 * torch.randn(shape, generator=generator)
    return save(tensors)


def merged(model: LanguageModel, weights: bytes) -> Any:
    """Return a copy of the plain model with alpha / rank (here 2) times B @ A added to its weights."""
    assert not model.adapters.sizes
    plain = copy.deepcopy(model._model)
    tensors = load(weights)
    modules = dict(plain.named_modules())
    for name in [name for name in tensors if name.endswith("lora_A.weight")]:
        path = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        update = tensors[name.replace("lora_A", "lora_B")] @ tensors[name]
        modules[path].weight.data += 2 * update
    return plain


class Workshop(Shelf):
    """Makes adapters for one model, with a library, a gate and what an engine needs to serve them.

    Probes are answered by a model of its own: the engine's belongs to the engine's thread.
    """

    def __init__(self, model: LanguageModel, **limits: Any) -> None:
        super().__init__()
        self.model = model
        self.authority = Authority()
        self.gate = RegistryGate(self.library, self.authority)
        self.supply = AdapterSupply(source=self.library, authority=self.authority, limits=AdapterLimits(**limits))

    def manifest(self, weights: bytes, owner_id: UUID, **changes: Any) -> Manifest:
        """Return the manifest with the fingerprint that the model gives."""
        fields: dict[str, Any] = {
            "rank": RANK,
            "alpha": 2 * RANK,
            "target_modules": TARGETS,
            "base_revision": self.model.revision,
        }
        manifest = manifest_of(weights, self.tenant_id, owner_id, **(fields | changes))
        if "probe" in changes:
            return manifest
        self.model.adapters.load(manifest, weights)
        logits = fingerprint(self.model, str(manifest.name), PROBE)
        self.model.adapters.delete(str(manifest.name))
        return manifest_of(
            weights, self.tenant_id, owner_id, **(fields | changes | {"probe": Probe(prompt=PROBE, logits=logits)})
        )

    async def make(self, seed: int, *, is_pinned: bool = False, **changes: Any) -> AuthorisedAdapter:
        """Add an adapter of a new person; return it as that person's request gets it."""
        weights, owner_id = random_weights(self.model, seed), uuid4()
        manifest = self.manifest(weights, owner_id, **changes)
        await self.library.add(manifest, weights, is_pinned=is_pinned)
        return await self.gate.authorise(str(manifest.name), caller_of(self.tenant_id, owner_id))

    async def weights(self, adapter: AuthorisedAdapter) -> bytes:
        """Return the adapter's file."""
        return await self.store.get(self.key_of(adapter))

    def key_of(self, adapter: AuthorisedAdapter) -> str:
        """Return where the adapter's file is."""
        name = AdapterName.parse(adapter.id)
        assert name is not None
        return weights_key(name, self.tenant_id)
