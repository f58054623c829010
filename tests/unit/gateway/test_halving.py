"""A batch for which memory does not suffice: halved until it fits, and never given up because of its neighbours."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from inference_gateway.engines.batching import Prepared
from inference_gateway.engines.halving import in_halves
from inference_gateway.engines.model_files import locate_model
from inference_gateway.engines.reranking.cross_encoder import PairEncoder
from tests import rerankers
from tests.rerankers import sentences

tiny_cross_encoder = rerankers.tiny_cross_encoder

CPU = torch.device("cpu")


def prepared(count: int) -> list[Prepared]:
    return [Prepared(tokens=1, features=number) for number in range(count)]


@pytest.mark.parametrize("fits", [1, 2, 3, 7, 100])
def test_rows_come_in_order_whatever_fits(fits: int) -> None:
    sizes: list[int] = []

    def compute(batch: Sequence[Prepared]) -> list[bytes]:
        sizes.append(len(batch))
        if len(batch) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [bytes([item.features]) for item in batch]

    rows = in_halves(compute, prepared(13), CPU)

    assert rows == [bytes([number]) for number in range(13)]
    assert sizes[0] == 13
    assert (len(sizes) == 1) == (fits >= 13)


def test_what_does_not_fit_alone_and_other_faults_are_raised() -> None:
    def never(_batch: Sequence[Prepared]) -> list[bytes]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def broken(batch: Sequence[Prepared]) -> list[bytes]:
        raise ValueError(len(batch))

    with pytest.raises(torch.OutOfMemoryError):
        in_halves(never, prepared(4), CPU)
    with pytest.raises(ValueError, match="4"):
        in_halves(broken, prepared(4), CPU)


def test_scores_are_the_same_when_memory_runs_out(tiny_cross_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = PairEncoder(locate_model(str(tiny_cross_encoder)))
    batch = encoder.prepare([("red light", text) for text in sentences(8, 10, seed=6)], "passage")
    expected = torch.frombuffer(bytearray(b"".join(encoder.encode(batch))), dtype=torch.float32)
    forward = encoder._model.forward

    def small_only(features: dict[str, torch.Tensor]) -> object:
        if len(features["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(features)

    monkeypatch.setattr(encoder._model, "forward", small_only)

    scores = torch.frombuffer(bytearray(b"".join(encoder.encode(batch))), dtype=torch.float32)
    assert (scores - expected).abs().max() <= 1e-5
