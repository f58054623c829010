"""The embedder's place: loading, ready, failed."""

import asyncio
import threading

import pytest

from inference_gateway.engines.batching import BatchingEmbedder
from inference_gateway.engines.loading import Report
from inference_gateway.engines.model_files import ChecksumMismatch
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.errors import EmbedderFailed, ModelLoading
from ops.runtime.health import StillLoading
from tests.gateways import HashingEncoder, vector_bytes
from tests.processes import eventually


async def until_stage(slot: EmbedderSlot, stage: str) -> None:
    while slot.progress.stage != stage:
        await asyncio.sleep(0.002)


async def test_it_loads_in_the_background_and_tells_how_far_it_is() -> None:
    go_on = threading.Event()

    def load(embedder: str, report: Report) -> BatchingEmbedder:
        assert embedder == "house/model"
        report("loading weights")
        go_on.wait(timeout=10)
        return BatchingEmbedder(HashingEncoder())

    slot = EmbedderSlot("house/model", load)
    slot.start()
    await until_stage(slot, "loading weights")
    with pytest.raises(StillLoading, match="loading weights"):
        await slot.check()
    with pytest.raises(ModelLoading):
        await slot.embed(["x"], "query")
    assert slot.progress.fraction == 0.6

    go_on.set()
    await until_stage(slot, "ready")
    await slot.check()
    assert (await slot.embed(["x"], "query")).rows == [vector_bytes("x")]
    assert slot.progress.fraction == 1.0
    slot.close()


async def test_a_load_that_fails_is_told_and_never_served() -> None:
    def load(_embedder: str, _report: Report) -> BatchingEmbedder:
        raise ChecksumMismatch("not the published weights")

    slot = EmbedderSlot("", load)
    slot.start()
    await until_stage(slot, "failed")

    with pytest.raises(EmbedderFailed, match="not the published weights"):
        await slot.embed(["x"], "query")
    with pytest.raises(EmbedderFailed):
        await slot.check()


async def test_an_engine_that_loads_after_the_end_is_closed_again() -> None:
    go_on = threading.Event()
    made: list[BatchingEmbedder] = []

    def load(_embedder: str, _report: Report) -> BatchingEmbedder:
        go_on.wait(timeout=10)
        made.append(BatchingEmbedder(HashingEncoder()))
        return made[0]

    slot = EmbedderSlot("", load)
    slot.start()
    slot.close()
    go_on.set()
    await until_stage(slot, "ready")
    await eventually(lambda: made[0]._queue._closed)

    with pytest.raises(EmbedderFailed):
        await made[0].embed(["x"], "query")
