"""Adapters of one pass side by side: of other ranks, on other modules, and gone when they are deleted."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.updates import BASE, Updates
from tests.lora import Workshop, merged, random_weights

IDS = torch.randint(6, 400, (7, 9), generator=torch.Generator().manual_seed(3))


class Loaded:
    """A model with adapters of rank 2, 5 and 8 on different modules, and each worked into a copy of the weights."""

    def __init__(self, folder: Path, model: LanguageModel) -> None:
        self.host = LanguageModel(locate_generator(str(folder))).adapters
        self.names: list[str] = []
        self.plain: dict[str, Any] = {BASE: model._model}
        workshop = Workshop(model)
        for rank, targets in ((2, ("q_proj",)), (5, ("v_proj", "down_proj")), (8, ("q_proj", "v_proj"))):
            weights = _cut(random_weights(model, rank, targets), rank)
            manifest = workshop.manifest(weights, uuid4(), rank=rank, alpha=2 * rank, target_modules=targets)
            self.plain[str(manifest.name)] = merged(model, weights)
            self.host.load(manifest, weights)
            self.names.append(str(manifest.name))

    def furthest(self, rows: list[str]) -> float:
        """Return how far any logit of one pass is from that of the row's own model."""
        with torch.inference_mode():
            logits = self.host.forward(rows, input_ids=IDS[: len(rows)]).logits
            alone = [self.plain[row](IDS[i : i + 1]).logits[0] for i, row in enumerate(rows)]
        return float((logits - torch.stack(alone)).abs().max())


def _cut(weights: bytes, rank: int) -> bytes:
    tensors: dict[str, Tensor] = {
        name: (tensor[:rank] if "lora_A" in name else tensor[:, :rank]).contiguous()
        for name, tensor in load(weights).items()
    }
    return save(tensors)


@pytest.fixture(scope="module")
def loaded(small_llama: Path, model: LanguageModel) -> Loaded:
    return Loaded(small_llama, model)


def test_rows_in_any_order_get_their_own(loaded: Loaded) -> None:
    one, two, three = loaded.names
    for rows in (
        [one, two, three],
        [three, BASE, one, one, BASE, two, one],
        [BASE, two],
        [two, two],
        [BASE, BASE],
        [three, one],
        [three],
    ):
        assert loaded.furthest(rows) <= 1e-4, rows


def test_what_lies_side_by_side_stays_while_enough_of_it_is_used(loaded: Loaded) -> None:
    one, two, three = loaded.names
    loaded.furthest([one, two, three, BASE])
    stacks = dict(loaded.host._updates._stacks)

    assert loaded.furthest([three, two]) <= 1e-4
    assert loaded.host._updates._stacks == stacks
    assert loaded.furthest([BASE, two]) <= 1e-4
    assert loaded.host._updates._names == (two,)


def test_a_deleted_one_leaves_nothing_behind(small_llama: Path, model: LanguageModel) -> None:
    loaded = Loaded(small_llama, model)
    one, two, three = loaded.names
    loaded.furthest([two, two])
    loaded.furthest([one, two, three])

    loaded.host.delete(two)

    assert not loaded.host._updates._stacks
    assert not loaded.host._updates._pairs
    assert loaded.furthest([one, three]) <= 1e-4
    with pytest.raises(LookupError):
        loaded.furthest([one, two])


def test_a_pass_that_fails_leaves_no_copies(loaded: Loaded) -> None:
    one, two, _ = loaded.names
    assert loaded.furthest([one, two]) <= 1e-4

    with pytest.raises(IndexError):
        loaded.host.forward([one, two], input_ids=IDS[:2] + 10**6)

    assert not loaded.host._updates._stacks


def test_an_input_that_is_not_laid_out_by_rows_gets_no_update_of_anyone(loaded: Loaded) -> None:
    one, two, _ = loaded.names
    layer = next(layer for _, layer in loaded.host._layers())
    updates = Updates(torch.device("cpu"))
    updates.aim([one, two])

    with pytest.raises(RuntimeError):
        updates.add(layer, torch.zeros(18, 64), torch.zeros(18, 64))
