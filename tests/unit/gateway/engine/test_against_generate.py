"""The engine's tokens are those of the library's own `generate`, alone and in mixed batches."""

import asyncio
from pathlib import Path

import pytest
import torch
from transformers import GemmaConfig, GPT2Config, MistralConfig, Qwen2Config

from inference_gateway.engines.generation.batch import Batch, Reading
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.sequence import Sequence, Wish
from tests.models import save_small_model
from tests.unit.gateway.engine.asking import TEXTS, answer_of, ask, plain_answer, plain_tokens, request_of
from tests.unit.gateway.engine.conftest import MakeEngine


@pytest.mark.parametrize("text", TEXTS)
async def test_one_alone(engine: GenerationEngine, text: str) -> None:
    deltas = await ask(engine, request_of(text, max_tokens=48))

    expected = plain_tokens(engine.model, text, 48)
    assert "".join(delta.text for delta in deltas) == plain_answer(engine.model, text, 48)
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.completion_tokens == len(expected)
    assert deltas[-1].finish_reason == ("stop" if expected[-1] in engine.model.stop_tokens else "length")


async def test_many_that_join_and_leave_at_different_steps(make_engine: MakeEngine) -> None:
    engine = make_engine(tokens_read=16)
    asked = [(TEXTS[i % len(TEXTS)], 12 + 9 * (i % 7), 0.004 * i) for i in range(24)]

    answers = await asyncio.gather(*(answer_of(engine, request_of(t, max_tokens=n), wait) for t, n, wait in asked))

    assert answers == [plain_answer(engine.model, text, tokens) for text, tokens, _ in asked]


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(sliding_window=16, num_key_value_heads=2, num_hidden_layers=2),
        Qwen2Config(num_key_value_heads=1, num_hidden_layers=2),
        GemmaConfig(num_key_value_heads=1, head_dim=16, num_hidden_layers=2),
        GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=512),
    ],
    ids=lambda config: config.model_type,
)
async def test_other_architectures(tmp_path: Path, make_engine: MakeEngine, config: object) -> None:
    loaded = LanguageModel(locate_generator(str(save_small_model(tmp_path / "model", config))))
    engine = make_engine(loaded)

    answers = await asyncio.gather(
        *(answer_of(engine, request_of(text, max_tokens=40), 0.01 * i) for i, text in enumerate(TEXTS))
    )

    assert answers == [plain_answer(loaded, text, 40) for text in TEXTS]


async def test_logits_of_a_mixed_batch_are_those_of_each_alone(model: LanguageModel) -> None:
    generator = torch.Generator().manual_seed(1)
    words = len(model.tokenizer)
    lengths = [3, 150, 40, 7, 300]
    fed = {length: torch.randint(6, words, (length + 50,), generator=generator).tolist() for length in lengths}
    batch = Batch(model)
    of: dict[Sequence, int] = {}
    compared = 0
    for step in range(40):
        if step % 6 == 0 and lengths:
            length = lengths.pop(0)
            sequence = Sequence(fed[length][:length], Wish(max_tokens=99), model.decode, frozenset(), "")
            reading = Reading(model, [sequence])
            assert reading.advance(64)[0] <= 64
            while len(sequence.tokens) > reading.cache.window.columns:
                reading.advance(64)
            sequence.tokens.append(fed[length][length])
            of[sequence] = length
            batch.join(reading)
        if step == 20:
            batch.drop({one for one in batch.sequences if of[one] in (150, 7)})
        logits = batch.step()
        for row, sequence in enumerate(batch.sequences):
            alone = model._model(torch.tensor([sequence.tokens])).logits[0, -1]
            assert (logits[row] - alone).abs().max() <= 1e-4
            compared += 1
            sequence.tokens.append(fed[of[sequence]][len(sequence.tokens)])
    assert compared > 90
