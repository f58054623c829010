"""LoRA matrices beside one base model, by PEFT: each row of a batch names its own.

PEFT keeps an "active" adapter that every forward pass without names would use. Here none is ever active: rows are named
in each pass or get the base model. Its own way of naming rows is not used: it sorts them anew in each layer, which costs as
much as the model itself does for a small batch, and gives all rows the base model when none is active.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import torch
from peft import LoraConfig, LoraModel
from peft.tuners.lora.layer import LoraLayer
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from inference_gateway.adapters.faults import WeightsCorrupt
from inference_gateway.adapters.manifest import Manifest
from inference_gateway.engines.generation.memory import is_exhausted
from inference_gateway.engines.generation.updates import BASE, Updates

SIDES: Final = ("A", "B")


class AdapterHost:
    """Wraps the model's layers once an adapter is loaded and frees them after the last. One thread calls it."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._peft: LoraModel | None = None
        self._sizes: dict[str, int] = {}
        self._updates = Updates(model.device)

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes on the device of each adapter that is loaded."""
        return dict(self._sizes)

    def forward(self, rows: Sequence[str], **inputs: Any) -> Any:
        """Pass a batch through the model, row i with the adapter `rows[i]`.

        Raises:
            LookupError: one of them is not loaded.
        """
        if missing := set(rows) - self._sizes.keys() - {BASE}:
            raise LookupError(f"{len(missing)} adapters are not loaded")
        self._updates.aim(rows)
        try:
            return self._model(**inputs)
        except Exception:
            self._updates.forget()  # their memory may be what was missing
            raise
        finally:
            self._updates.rest()

    @torch.no_grad()
    def load(self, manifest: Manifest, weights: bytes) -> int:
        """Load verified weights under the manifest's name; return their bytes on the device.

        Raises:
            WeightsCorrupt: the matrices do not fit the model.
        """
        name = str(manifest.name)
        self._updates.forget()
        try:
            self._add(name, manifest)
            self._sizes[name] = self._fill(name, load_tensors(weights))
            self._settle()
        except Exception as error:
            self.delete(name)
            if isinstance(error, WeightsCorrupt) or is_exhausted(error):
                raise
            raise WeightsCorrupt(f"does not fit the model ({type(error).__name__})") from error
        return self._sizes[name]

    def delete(self, name: str) -> None:
        """Unload an adapter; one that is not there is fine."""
        self._updates.forget()
        self._sizes.pop(name, None)
        if self._peft is not None and name in self._peft.peft_config:
            self._peft.delete_adapter(name)
            self._settle()
            if not self._peft.peft_config:
                self._peft.unload()
                self._peft = None

    def _add(self, name: str, manifest: Manifest) -> None:
        config = LoraConfig(
            r=manifest.rank,
            lora_alpha=manifest.alpha,
            target_modules=list(manifest.target_modules),
            lora_dropout=0.0,
            bias="none",
            inference_mode=True,
        )
        if self._peft is None:
            self._peft = LoraModel(self._model, {name: config}, name, low_cpu_mem_usage=True)
        else:
            self._peft.peft_config[name] = config
            self._peft.inject_adapter(self._model, name, low_cpu_mem_usage=True)

    def _fill(self, name: str, tensors: dict[str, Tensor]) -> int:
        size = 0
        for path, layer in self._layers():
            if name not in layer.lora_A:
                continue
            for side in SIDES:
                linear = getattr(layer, f"lora_{side}")[name]
                given = tensors.pop(f"base_model.model.{path}.lora_{side}.weight", None)
                if given is None or given.shape != linear.weight.shape or not bool(torch.isfinite(given).all()):
                    raise WeightsCorrupt("a matrix is missing, of another shape, or not of numbers")
                linear.weight = nn.Parameter(given.to(self._model.device, self._model.dtype), requires_grad=False)
                size += linear.weight.nbytes
        if tensors:
            raise WeightsCorrupt("matrices for modules that the model does not have")
        return size

    def _settle(self) -> None:
        """Have no adapter active, and every layer give the base model's output with each row's own update."""
        assert self._peft is not None
        self._peft.set_adapter([])
        for _, layer in self._layers():
            if layer.active_adapters:
                raise RuntimeError("an adapter stayed active")
            layer.forward = partial(self._forward_layer, layer, layer.get_base_layer())
        self._model.eval()

    def _layers(self) -> Iterator[tuple[str, Any]]:
        return ((path, module) for path, module in self._model.named_modules() if isinstance(module, LoraLayer))

    def _forward_layer(self, layer: Any, base: nn.Module, given: Tensor) -> Tensor:
        return self._updates.add(layer, given, base(given))
