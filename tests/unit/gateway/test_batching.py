"""The batching engine around an encoder: overtaking, cancelling, failing, closing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from inference_gateway.engines.batching import PROBE_TEXT, BatchingEmbedder
from inference_gateway.engines.lanes import LaneLimits
from inference_gateway.errors import EmbedderFailed, GatewayOverloaded, RequestRefused
from tests.gateways import HashingEncoder, vector_bytes
from tests.processes import eventually


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder(limits=LaneLimits(waiting_passages=500))


@pytest.fixture
async def engine(encoder: HashingEncoder) -> AsyncIterator[BatchingEmbedder]:
    running = BatchingEmbedder(encoder)
    yield running
    encoder.gate.set()
    running.close()


async def until_first_batch(encoder: HashingEncoder) -> None:
    while not encoder.batches:
        await asyncio.sleep(0.002)


async def test_rows_keep_the_order_of_the_texts(engine: BatchingEmbedder) -> None:
    texts = [f"{'w ' * (n * 7 % 31)}{n}" for n in range(100)]

    embedded = await engine.embed(texts, "passage")

    assert embedded.rows == [vector_bytes(text) for text in texts]
    assert embedded.tokens == sum(len(text.split()) for text in texts)


async def test_requests_at_the_same_time_do_not_mix(engine: BatchingEmbedder) -> None:
    requests = [[f"{n}-{i}" for i in range(n + 1)] for n in range(30)]

    answers = await asyncio.gather(*(engine.embed(texts, "passage") for texts in requests))

    assert [answer.rows for answer in answers] == [[vector_bytes(text) for text in texts] for texts in requests]


async def test_a_question_waits_for_at_most_the_batch_under_way(
    engine: BatchingEmbedder, encoder: HashingEncoder
) -> None:
    encoder.gate.clear()
    passages = asyncio.create_task(engine.embed([f"passage {n}" for n in range(200)], "passage"))
    await until_first_batch(encoder)
    question = asyncio.create_task(engine.embed(["question"], "query"))
    await eventually(lambda: len(engine._queue._questions) == 1)
    encoder.gate.set()
    await question
    await passages

    assert encoder.batches[1] == ["question"]
    assert len(encoder.batches) > 10


async def test_workers_compute_side_by_side() -> None:
    encoder = HashingEncoder(workers=3)
    engine = BatchingEmbedder(encoder)
    encoder.gate.clear()
    passages = asyncio.create_task(engine.embed([f"passage {n}" for n in range(100)], "passage"))
    while len(encoder.batches) < 3:
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.05)
    at_once = len(encoder.batches)
    encoder.gate.set()
    embedded = await passages
    engine.close()

    assert at_once == 3
    assert embedded.rows == [vector_bytes(f"passage {n}") for n in range(100)]


async def test_passages_are_computed_at_most_eight_at_a_time(engine: BatchingEmbedder, encoder: HashingEncoder) -> None:
    await engine.embed(["short"] * 100, "passage")

    assert max(len(batch) for batch in encoder.batches) == 8


async def test_a_cancelled_request_is_dropped_before_it_is_computed(
    engine: BatchingEmbedder, encoder: HashingEncoder
) -> None:
    encoder.gate.clear()
    first = asyncio.create_task(engine.embed(["first"], "passage"))
    await until_first_batch(encoder)
    leaving = asyncio.create_task(engine.embed([f"leaving {n}" for n in range(400)], "passage"))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    encoder.gate.set()
    await first
    await engine.embed(["last"] * 500, "passage")

    assert not any("leaving" in text for batch in encoder.batches for text in batch)


async def test_an_overloaded_lane_refuses_before_any_work(engine: BatchingEmbedder, encoder: HashingEncoder) -> None:
    encoder.gate.clear()
    waiting = asyncio.create_task(engine.embed(["x"] * 500, "passage"))
    await until_first_batch(encoder)

    with pytest.raises(GatewayOverloaded):
        await engine.embed(["y"] * 20, "passage")
    encoder.gate.set()
    await waiting

    assert (await engine.embed(["y"] * 20, "passage")).rows == [vector_bytes("y")] * 20


async def test_a_failing_batch_fails_its_requests_and_no_later_one(
    engine: BatchingEmbedder, encoder: HashingEncoder
) -> None:
    encoder.failure = MemoryError()
    with pytest.raises(EmbedderFailed):
        await engine.embed(["x"] * 30, "passage")
    encoder.failure = None

    assert (await engine.embed(["x"], "passage")).rows == [vector_bytes("x")]


async def test_a_text_too_long_is_refused_with_its_place_and_leaves_no_trace(
    engine: BatchingEmbedder, encoder: HashingEncoder
) -> None:
    encoder.gate.clear()
    texts = ["short"] * 40 + ["word " * 129]

    with pytest.raises(RequestRefused, match="takes 128") as refused:
        await engine.embed(texts, "passage", truncate=False)

    assert refused.value.pointer == "/inputs/40"
    assert engine._queue.waiting("passage") == 0
    encoder.gate.set()
    assert len((await engine.embed(texts, "passage")).rows) == 41


async def test_closing_fails_what_waits(engine: BatchingEmbedder, encoder: HashingEncoder) -> None:
    encoder.gate.clear()
    waiting = asyncio.create_task(engine.embed(["x"] * 100, "passage"))
    await until_first_batch(encoder)
    closing = asyncio.get_running_loop().run_in_executor(None, engine.close)
    with pytest.raises(EmbedderFailed):
        await waiting
    encoder.gate.set()
    await closing

    with pytest.raises(EmbedderFailed):
        await engine.check()


async def test_the_check_embeds_a_sentence_unless_the_model_worked_just_now(
    engine: BatchingEmbedder, encoder: HashingEncoder
) -> None:
    await engine.check()
    await engine.check()

    assert encoder.batches == [[PROBE_TEXT]]
