"""The fingerprint of an adapter: what the model with it gives for a fixed prompt. Served only while it is the expected one."""

from collections.abc import Sequence

import torch

from inference_gateway.adapters.faults import ProbeFailed
from inference_gateway.adapters.manifest import Manifest
from inference_gateway.engines.generation.cache import BatchCache
from inference_gateway.engines.generation.model import LanguageModel

LOGITS = 16
TOLERANCE = {torch.float32: 2e-3, torch.float16: 5e-2, torch.bfloat16: 2e-1}
"""Of the largest expected logit: what another machine, or a lower precision, may make of the same weights."""


def fingerprint(model: LanguageModel, name: str, prompt: Sequence[int], count: int = LOGITS) -> tuple[float, ...]:
    """Return logits of `count` tokens spread evenly over the vocabulary, after `prompt`, with the adapter of that name."""
    ids = torch.tensor([list(prompt)], device=model.device)
    positions = torch.arange(len(prompt), device=model.device).unsqueeze(0)
    logits = model.forward(ids, positions, None, BatchCache(len(prompt)), [name])[0].float()
    places = torch.linspace(0, model.vocabulary - 1, count).long()
    return tuple(logits[places.to(logits.device)].tolist())


def check_probe(model: LanguageModel, manifest: Manifest) -> None:
    """Ask the probe of an adapter that is loaded.

    Raises:
        ProbeFailed: the model gives something else than the manifest says.
    """
    probe = manifest.probe
    if max(probe.prompt) >= model.vocabulary or len(probe.prompt) > model.context_tokens:
        raise ProbeFailed("the probe is not one for this model")
    found = fingerprint(model, str(manifest.name), probe.prompt, len(probe.logits))
    largest = max(1.0, *(abs(logit) for logit in probe.logits))
    furthest = max(abs(one - other) for one, other in zip(found, probe.logits, strict=True))
    if not furthest <= TOLERANCE[model.dtype] * largest:  # what is not a number fails too
        raise ProbeFailed("another fingerprint")
