"""The engine on an NVIDIA GPU."""

import asyncio
from pathlib import Path

import pytest
import torch

from inference_gateway.engines.generation.batch import Batch, Reading
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel, Precision, choose_dtype
from inference_gateway.engines.generation.sequence import Sequence, Wish
from tests.unit.gateway.engine.asking import TEXTS, answer_of, plain_answer, request_of
from tests.unit.gateway.engine.conftest import MakeEngine

pytestmark = [
    pytest.mark.needs_gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"),
]


def load(folder: Path, precision: Precision) -> LanguageModel:
    return LanguageModel(locate_generator(str(folder)), precision)


async def test_mixed_batches_give_what_generate_gives(small_llama: Path, make_engine: MakeEngine) -> None:
    model = load(small_llama, "float32")
    assert model.device.type == "cuda"
    engine = make_engine(model)

    answers = await asyncio.gather(
        *(answer_of(engine, request_of(text, max_tokens=40), 0.01 * i) for i, text in enumerate(TEXTS))
    )

    assert answers == [plain_answer(model, text, 40) for text in TEXTS]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("float16", 0.1), ("bfloat16", 1.0)])
async def test_logits_of_a_mixed_batch(small_llama: Path, precision: Precision, tolerance: float) -> None:
    model = load(small_llama, precision)
    batch = Batch(model)
    for length in (5, 90, 33):
        sequence = Sequence(list(range(6, 6 + length)), Wish(max_tokens=9), model.decode, frozenset(), "")
        reading = Reading(model, [sequence])
        reading.advance(512)
        sequence.tokens.append(7)
        batch.join(reading)

    logits = batch.step()

    for row, sequence in enumerate(batch.sequences):
        alone = model._model(torch.tensor([sequence.tokens], device="cuda")).logits[0, -1]
        assert (logits[row].float() - alone.float()).abs().max() <= tolerance


async def test_real_exhaustion_halves_the_batch(small_llama: Path, make_engine: MakeEngine) -> None:
    model = load(small_llama, "float32")
    forward = model.forward
    rows_seen: list[int] = []

    def greedy(ids: torch.Tensor, *others: object) -> torch.Tensor:
        rows_seen.append(ids.shape[0])
        if ids.shape[0] > 2:
            torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
        return forward(ids, *others)  # type: ignore[arg-type]

    model.forward = greedy  # type: ignore[method-assign, assignment]
    engine = make_engine(model)

    answers = await asyncio.gather(*(answer_of(engine, request_of(text, max_tokens=30)) for text in TEXTS))

    assert max(rows_seen) > 2
    assert answers == [plain_answer(model, text, 30) for text in TEXTS]


def test_auto_takes_the_precision_of_the_weights() -> None:
    cuda = torch.device("cuda")

    assert choose_dtype("auto", cuda, torch.float16) == torch.float16
    assert choose_dtype("auto", cuda, torch.float32) == torch.float32
