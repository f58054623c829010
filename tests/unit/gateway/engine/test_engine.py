"""Stops, seeds, leaving, overload, exhaustion and failure."""

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest
import torch
from torch import Tensor

from inference_gateway.contract import ChatDelta
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.errors import GatewayOverloaded, GenerationUnavailable, RequestRefused, UpstreamBroken
from tests.processes import eventually
from tests.unit.gateway.engine.asking import TEXTS, answer_of, ask, plain_answer, request_of
from tests.unit.gateway.engine.conftest import MakeEngine
from tests.unit.gateway.engine.gate import Gate

LONG = request_of("Tell a long story.", max_tokens=900)


async def test_a_stop_sequence_ends_the_text_before_it(engine: GenerationEngine) -> None:
    whole = plain_answer(engine.model, TEXTS[1], 60)
    stop = whole[20:24]

    deltas = await ask(engine, request_of(TEXTS[1], max_tokens=60, stop=("never met", stop)))

    assert "".join(delta.text for delta in deltas) == whole[: whole.index(stop)]
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.completion_tokens < 60


async def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(engine: GenerationEngine) -> None:
    drawn = request_of(TEXTS[0], max_tokens=60, temperature=1.0, top_p=0.95, seed=7)
    alone = await answer_of(engine, drawn)

    others = [request_of(text, max_tokens=50, temperature=1.3, seed=i) for i, text in enumerate(TEXTS * 3)]
    again, _ = await asyncio.gather(
        answer_of(engine, drawn, 0.02), asyncio.gather(*(answer_of(engine, other) for other in others))
    )
    other_seed = await answer_of(engine, request_of(TEXTS[0], max_tokens=60, temperature=1.0, top_p=0.95, seed=8))

    assert again == alone
    assert other_seed != alone


async def test_without_a_seed_two_answers_differ(engine: GenerationEngine) -> None:
    drawn = request_of(TEXTS[0], max_tokens=60, temperature=1.5)

    assert await answer_of(engine, drawn) != await answer_of(engine, drawn)


async def test_arabic_and_emoji_arrive_in_whole_characters(
    engine: GenerationEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "الجهاز العصبي 🧠 شبكة من الخلايا، والتفاضل ∂ أيضًا."
    tokens = [*"".join(text).encode()]
    bytes_of = {byte: engine.model.tokenizer.convert_tokens_to_ids(char) for byte, char in _byte_characters().items()}
    queue = [bytes_of[byte] for byte in tokens]

    def forward(ids: Tensor, positions: Tensor, mask: Tensor | None, cache: Any, adapters: list[str]) -> Tensor:
        return torch.nn.functional.one_hot(torch.tensor([queue.pop(0)]), len(engine.model.tokenizer)).float()

    monkeypatch.setattr(engine.model, "forward", forward)
    deltas = await ask(engine, request_of("x", max_tokens=len(tokens)))

    assert "".join(delta.text for delta in deltas) == text
    assert len([delta for delta in deltas if delta.text]) == len(text)


async def test_who_generates_does_not_wait_for_a_long_prompt(
    make_engine: MakeEngine, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    forward = model.forward

    def seen(ids: Tensor, *others: Any) -> Tensor:
        shapes.append(tuple(ids.shape))
        return forward(ids, *others)

    monkeypatch.setattr(model, "forward", seen)
    engine = make_engine(tokens_read=16)
    async with aclosing(engine.stream(LONG)) as running:
        await anext(running)
        shapes.clear()
        await ask(engine, request_of("margin " * 160, max_tokens=1))

    reads = [i for i, (_, columns) in enumerate(shapes) if columns == 16]
    assert len(reads) > 5
    assert all(shapes[i + 1] == (1, 1) for i in reads[:-1])


async def test_who_leaves_gives_the_place_up_at_the_next_step(make_engine: MakeEngine, gate: Gate) -> None:
    engine = make_engine(sequences=1)
    gate.seconds = 0.02
    async with aclosing(engine.stream(LONG)) as stream:
        await anext(stream)
    left_at = time.monotonic()

    await ask(engine, request_of("Hello", max_tokens=1))

    assert time.monotonic() - left_at < 2.0
    await eventually(lambda: not engine._batch.sequences)


async def test_who_leaves_while_waiting_is_never_read(make_engine: MakeEngine, gate: Gate) -> None:
    engine = make_engine(sequences=1)
    gate.seconds = 0.005
    running = asyncio.create_task(ask(engine, request_of("Go", max_tokens=40)))
    await eventually(lambda: len(engine._batch.sequences) == 1)
    waiting = asyncio.create_task(ask(engine, LONG))
    await eventually(lambda: len(engine._waiting) == 1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert len(engine._waiting) == 0
    assert (await running)[-1].finish_reason is not None
    assert max(gate.rows) == 1


async def test_when_all_places_are_taken_the_next_is_told_when_to_come_back(
    make_engine: MakeEngine, gate: Gate
) -> None:
    engine = make_engine(sequences=2, waiting=3)
    gate.seconds = 0.005
    begun = [asyncio.create_task(ask(engine, request_of("Tell a long story.", max_tokens=60))) for _ in range(5)]
    await eventually(lambda: len(engine._batch.sequences) == 2 and len(engine._waiting) == 3)

    with pytest.raises(GatewayOverloaded) as overloaded:
        await ask(engine, LONG)

    assert 1 <= (overloaded.value.retry_after_seconds or 0) <= 60
    assert all(deltas[-1].finish_reason for deltas in await asyncio.gather(*begun))
    assert max(gate.rows) == 2


async def test_who_waits_too_long_is_told_so(make_engine: MakeEngine, gate: Gate) -> None:
    engine = make_engine(sequences=1, waiting_seconds=0.1)
    gate.seconds = 0.01
    async with aclosing(engine.stream(LONG)) as running:
        await anext(running)
        with pytest.raises(GatewayOverloaded, match="free within"):
            await ask(engine, request_of("Hello", max_tokens=1))


async def test_when_memory_runs_out_the_batch_is_halved_and_nobody_notices(make_engine: MakeEngine, gate: Gate) -> None:
    engine = make_engine(sequences=8)
    gate.fail = lambda rows, columns: torch.OutOfMemoryError("CUDA out of memory") if rows > 3 else None
    asked = [request_of(text, max_tokens=30 + i) for i, text in enumerate(TEXTS)]

    answers = await gate.together(engine, asked)

    assert max(gate.rows) > 3
    assert answers == [plain_answer(engine.model, text, 30 + i) for i, text in enumerate(TEXTS)]
    assert engine._places < 4


async def test_a_seed_holds_through_a_retry(make_engine: MakeEngine, gate: Gate) -> None:
    engine = make_engine(sequences=8)
    drawn = request_of(TEXTS[2], max_tokens=40, temperature=1.0, seed=3)
    alone = await answer_of(engine, drawn)
    gate.fail = lambda rows, columns: torch.OutOfMemoryError() if rows > 1 else None

    answers = await gate.together(engine, [drawn] * 3)

    assert max(gate.rows) > 1
    assert answers == [alone] * 3


async def test_one_that_never_fits_is_refused_and_the_engine_lives(engine: GenerationEngine, gate: Gate) -> None:
    gate.fail = lambda rows, columns: RuntimeError("DefaultCPUAllocator: not enough memory") if columns > 99 else None

    with pytest.raises(GatewayOverloaded) as overloaded:
        await ask(engine, request_of("margin " * 200))

    assert (overloaded.value.retry_after_seconds or 0) > 1
    assert await answer_of(engine, request_of("Hello", max_tokens=9)) == plain_answer(engine.model, "Hello", 9)


async def test_the_batch_grows_again_after_a_while(
    make_engine: MakeEngine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_gateway.engines.generation.engine.GOOD_STEPS_UNTIL_LARGER", 10)
    engine = make_engine(sequences=8)
    engine._places = 1

    await gate.together(engine, [request_of("Tell a long story.", max_tokens=12)] * 8)

    assert engine._places == 8
    assert max(gate.rows) >= 4


async def test_a_failure_is_told_to_those_it_hit_and_the_next_are_served(engine: GenerationEngine, gate: Gate) -> None:
    gate.fail = lambda rows, columns: RuntimeError("a kernel failed")
    with pytest.raises(UpstreamBroken):
        await ask(engine, LONG)
    gate.fail = lambda rows, columns: None

    assert await answer_of(engine, request_of("Hello", max_tokens=9)) == plain_answer(engine.model, "Hello", 9)


async def test_numbers_that_are_not_finite_end_their_own_sequence_only(
    engine: GenerationEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = engine.model.forward
    poison = {"rows": 2}

    def poisoned(*arguments: Any) -> Tensor:
        logits = forward(*arguments)
        if logits.shape[0] == poison["rows"]:
            poison["rows"] = 0
            logits = logits.clone()
            logits[0] = float("nan")
        return logits

    monkeypatch.setattr(engine.model, "forward", poisoned)
    first, second = await asyncio.gather(
        ask(engine, LONG),
        answer_of(engine, request_of(TEXTS[1], max_tokens=40)),
        return_exceptions=True,
    )

    assert isinstance(first, UpstreamBroken)
    assert second == plain_answer(engine.model, TEXTS[1], 40)


async def test_a_prompt_that_is_too_long_is_refused_with_the_limit(engine: GenerationEngine) -> None:
    with pytest.raises(RequestRefused, match="1024") as refused:
        await ask(engine, request_of("word " * 3000))

    assert refused.value.pointer == "/messages"


async def test_an_answer_ends_where_the_context_does(engine: GenerationEngine) -> None:
    deltas: list[ChatDelta] = await ask(engine, request_of("gradient " * 1010, max_tokens=900))

    usage = deltas[-1].usage
    assert usage is not None
    assert usage.prompt_tokens + usage.completion_tokens <= 1024
    assert deltas[-1].finish_reason == "length"


async def test_health_costs_a_token_only_after_idleness(engine: GenerationEngine, gate: Gate) -> None:
    engine._last_success = 0.0
    await engine.check()
    probed = len(gate.rows)
    await engine.check()

    assert probed == len(gate.rows) == 1


async def test_at_the_end_all_are_told_and_nothing_hangs(make_engine: MakeEngine, gate: Gate) -> None:
    engine = make_engine(sequences=1)
    gate.seconds = 0.01
    tasks = [asyncio.create_task(ask(engine, LONG)) for _ in range(3)]
    await eventually(lambda: len(engine._waiting) == 2)

    await asyncio.to_thread(engine.close)

    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [GenerationUnavailable] * 3
    with pytest.raises(GenerationUnavailable):
        engine._waiting.put(await _never_served(engine))


async def _never_served(engine: GenerationEngine) -> Any:
    from inference_gateway.engines.generation.sequence import Sequence, Wish

    return Sequence([1], Wish(max_tokens=1), engine.model.decode, frozenset(), "")


def _byte_characters() -> dict[int, str]:
    """Return the character by which a byte-level BPE writes each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
