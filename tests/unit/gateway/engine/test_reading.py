"""Prompts that are read in one pass: each gets what it would alone, and none holds up or takes along another."""

import asyncio
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from inference_gateway.contract import ChatRequest
from inference_gateway.engines.generation.batch import Batch, Reading, is_worth_padding
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.sequence import Sequence, Wish
from inference_gateway.errors import UpstreamBroken
from tests.lora import Workshop, merged
from tests.processes import eventually
from tests.unit.gateway.engine.asking import answer_of, plain_answer, request_of
from tests.unit.gateway.engine.conftest import MakeEngine
from tests.unit.gateway.engine.gate import Gate
from tests.unit.gateway.engine.test_grammar import SCHEMA

ALIKE = [f"What is the margin of {what}?" for what in ("one", "two", "three", "many", "all")]


def sequence_of(model: LanguageModel, prompt: list[int], adapter: Any = None) -> Sequence:
    return Sequence(prompt, Wish(max_tokens=99, adapter=adapter), model.decode, frozenset(), "")


@pytest.mark.parametrize("budget", [4096, 100], ids=["one pass", "several passes"])
async def test_logits_are_those_of_each_alone(small_llama: Any, model: LanguageModel, budget: int) -> None:
    workshop = Workshop(model)
    adapters = [await workshop.make(seed) for seed in range(3)]
    files = [await workshop.weights(adapter) for adapter in adapters]
    plain = [model._model, *(merged(model, file) for file in files)]
    own_model = LanguageModel(locate_generator(str(small_llama)))
    for file, adapter in zip(files, adapters, strict=True):
        manifest = workshop.manifest(file, adapter.owner_id, namespace=adapter.id.partition("@")[0])
        own_model.adapters.load(manifest, file)
    generator = torch.Generator().manual_seed(2)
    batch, who = Batch(own_model), {}
    for lengths in ([41, 3, 90], [5, 7, 6, 200, 33], [8, 8]):
        prompts = [torch.randint(6, 400, (length,), generator=generator).tolist() for length in lengths]
        together = [
            sequence_of(own_model, prompt, adapters[row % 4 - 1] if row % 4 else None)
            for row, prompt in enumerate(prompts)
        ]
        who |= {sequence: plain[row % 4] for row, sequence in enumerate(together)}
        reading, logits = Reading(own_model, together), None
        while logits is None:
            read, logits = reading.advance(budget)
            assert read <= budget
        assert furthest(logits, together, who) <= 1e-4
        batch.join(reading)
        for step in range(4):
            for sequence in batch.sequences:
                sequence.tokens.append(6 + step)
            assert furthest(batch.step(), batch.sequences, who) <= 1e-4
        batch.drop({batch.sequences[0]})


def furthest(logits: Tensor, rows: list[Sequence], who: dict[Sequence, Any]) -> float:
    """Return how far any logit is from the one that the row's own model gives for its tokens alone."""
    alone = [who[sequence](torch.tensor([sequence.tokens])).logits[0, -1] for sequence in rows]
    return float((logits - torch.stack(alone)).abs().max())


async def test_those_that_wait_are_read_in_one_pass(engine: GenerationEngine, gate: Gate) -> None:
    answers = await gate.together(engine, [request_of(text, max_tokens=20) for text in ALIKE])

    assert answers == [plain_answer(engine.model, text, 20) for text in ALIKE]
    assert len(gate.reads()) <= 2, "the first may have begun before the others came"


async def test_a_schema_a_stop_and_a_draw_hold_beside_each_other(engine: GenerationEngine, gate: Gate) -> None:
    stop = plain_answer(engine.model, ALIKE[1], 40)[12:15]
    asked = [
        request_of(ALIKE[0], max_tokens=60),
        request_of(ALIKE[1], max_tokens=40, stop=(stop,)),
        request_of(ALIKE[2], max_tokens=300, json_schema=SCHEMA),
        request_of(ALIKE[3], max_tokens=40, temperature=1.0, seed=5),
        request_of(ALIKE[4], max_tokens=1),
    ]
    alone = [await answer_of(engine, request) for request in asked]

    assert await gate.together(engine, asked) == alone
    assert max(gate.reads()) > 2


async def test_who_leaves_during_the_reading_takes_no_other_along(
    make_engine: MakeEngine, model: LanguageModel, gate: Gate
) -> None:
    engine = make_engine()
    reading, left = threading.Event(), threading.Event()

    def pause(rows: int, columns: int) -> None:
        if rows > 1 and columns > 1:
            reading.set()
            left.wait(timeout=20)

    gate.fail = pause
    gate.opened.clear()
    answers = [asyncio.create_task(answer_of(engine, request_of(text, max_tokens=30))) for text in ALIKE]
    await eventually(lambda: len(engine._waiting._inside) == len(ALIKE))
    gate.opened.set()
    await eventually(reading.is_set)
    answers[2].cancel()
    await asyncio.wait([answers[2]])
    left.set()

    others = await asyncio.gather(*answers, return_exceptions=True)

    assert isinstance(others.pop(2), asyncio.CancelledError)
    assert others == [plain_answer(model, text, 30) for text in ALIKE if text != ALIKE[2]]
    await eventually(lambda: not engine._batch.sequences and not engine._waiting._inside)


async def test_numbers_that_are_not_finite_in_the_reading_end_their_own_sequence_only(
    engine: GenerationEngine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_poison = [True]

    def poisoned(ids: Tensor, *others: Any) -> Tensor:
        logits = gate(ids, *others)
        if ids.shape[0] > 1 and ids.shape[1] > 1 and to_poison:
            to_poison.clear()
            logits = logits.clone()
            logits[1] = float("nan")
        return logits

    monkeypatch.setattr(engine.model, "forward", poisoned)
    gate.opened.clear()
    answers = [asyncio.create_task(answer_of(engine, request_of(text, max_tokens=30))) for text in ALIKE]
    await eventually(lambda: len(engine._waiting._inside) == len(ALIKE))
    gate.opened.set()

    told = await asyncio.gather(*answers, return_exceptions=True)

    broken = [place for place, answer in enumerate(told) if isinstance(answer, UpstreamBroken)]
    assert len(broken) == 1
    assert all(told[i] == plain_answer(engine.model, ALIKE[i], 30) for i in range(len(ALIKE)) if i not in broken)


async def test_when_memory_does_not_suffice_for_all_they_are_read_half_at_a_time(
    make_engine: MakeEngine, gate: Gate
) -> None:
    engine = make_engine(sequences=8)
    gate.fail = lambda rows, columns: MemoryError() if rows > 2 and columns > 1 else None

    answers = await gate.together(engine, [request_of(text, max_tokens=20) for text in ALIKE])

    assert max(gate.reads()) > 2
    assert answers == [plain_answer(engine.model, text, 20) for text in ALIKE]


async def test_between_two_budgets_of_prompts_everyone_gets_a_token(
    make_engine: MakeEngine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One prompt beyond the budget is among those that wait; it is read in its turn."""
    read: list[int] = [0]
    advance, step = Reading.advance, Batch.step

    def advanced(reading: Reading, budget: int) -> tuple[int, Tensor | None]:
        read[-1] += (done := advance(reading, budget))[0]
        return done

    def stepped(batch: Batch) -> Tensor:
        read.append(0)
        return step(batch)

    monkeypatch.setattr(Reading, "advance", advanced)
    monkeypatch.setattr(Batch, "step", stepped)
    engine = make_engine(tokens_read=64)
    texts = [*ALIKE[:2], "margin " * 160, *ALIKE[2:]]
    asked: list[ChatRequest] = [request_of(text, max_tokens=25) for text in texts]

    answers = await gate.together(engine, asked)

    assert answers == [plain_answer(engine.model, text, 25) for text in texts]
    assert max(read) <= 64
    assert len([tokens for tokens in read if tokens > 32]) > 3
    assert max(gate.reads()) > 1


async def test_prompts_of_unlike_length_are_not_padded_to_each_other(model: LanguageModel) -> None:
    short, longer, long = [sequence_of(model, [7] * length) for length in (30, 40, 300)]

    assert is_worth_padding([short, longer, short])
    assert is_worth_padding([long])
    assert not is_worth_padding([short, long])
