"""What every embedder and every reranker promises, in this process and behind TEI's real wire."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient

from inference_gateway.engines.batching import BatchingEmbedder
from inference_gateway.engines.protocol import Embedder, Reranker
from inference_gateway.engines.reranking.slot import RerankerSlot
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.errors import (
    EmbedderFailed,
    GatewayError,
    GatewayOverloaded,
    ModelLoading,
    RequestRefused,
    RerankingUnavailable,
    UpstreamBroken,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from inference_gateway.upstreams.encoders import embedder_from, reranker_from
from inference_gateway.upstreams.tei import TeiEmbedder
from ops.runtime.health import StillLoading
from ops.runtime.settings import Settings, SettingsError
from tests import rerankers
from tests.contract.gateway.conftest import API_KEY, DEADLINES
from tests.fakes.behaviours import Behaviour
from tests.fakes.server import FakeServer
from tests.fakes.tei_server import MAX_BATCH, SHA, logit, tei_server, vector
from tests.gateways import HashingEncoder
from tests.processes import eventually, until
from tests.rerankers import WORDS, sentences

tiny_cross_encoder = rerankers.tiny_cross_encoder

TEXTS = [f"text {number}" for number in range(2 * MAX_BATCH + 1)]
QUERY = "the red prism"
Ask = Callable[[], Awaitable[object]]


@pytest.fixture
def fake_embedder() -> Iterator[FakeServer]:
    with tei_server("embedding") as fake:
        yield fake


@pytest.fixture
def fake_reranker() -> Iterator[FakeServer]:
    with tei_server("reranker") as fake:
        yield fake


@pytest.fixture
async def tei_embedder(fake_embedder: FakeServer) -> AsyncIterator[Embedder]:
    embedder = embedder_from(Settings(embedding_url=fake_embedder.url, embedding_api_key=API_KEY), DEADLINES)
    await until_well(embedder)
    fake_embedder.received.clear()
    yield embedder
    await embedder.aclose()


@pytest.fixture
async def tei_reranker(fake_reranker: FakeServer) -> AsyncIterator[Reranker]:
    reranker = reranker_from(Settings(reranking_url=fake_reranker.url, reranking_api_key=API_KEY), DEADLINES)
    assert reranker is not None
    yield reranker
    await reranker.aclose()


@pytest.fixture
async def own_embedder() -> AsyncIterator[Embedder]:
    slot = EmbedderSlot("", lambda _embedder, _report: BatchingEmbedder(HashingEncoder()))
    await until_well(slot)
    yield slot
    await slot.aclose()


@pytest.fixture(scope="module")
def own_reranker(tiny_cross_encoder: Path) -> Iterator[Reranker]:
    slot = RerankerSlot(str(tiny_cross_encoder))
    slot.start()
    until(lambda: slot.progress.stage == "ready", 30)
    yield slot
    asyncio.run(slot.aclose())


@pytest.fixture(params=["in this process", "tei"])
def embedder(request: pytest.FixtureRequest, own_embedder: Embedder, tei_embedder: Embedder) -> Embedder:
    """One implementation after the other."""
    return tei_embedder if request.param == "tei" else own_embedder


@pytest.fixture(params=["in this process", "tei"])
def reranker(request: pytest.FixtureRequest, own_reranker: Reranker, tei_reranker: Reranker) -> Reranker:
    """One implementation after the other."""
    return tei_reranker if request.param == "tei" else own_reranker


@pytest.fixture(params=["embed", "rerank"])
def asked(
    request: pytest.FixtureRequest,
    fake_embedder: FakeServer,
    fake_reranker: FakeServer,
    tei_embedder: Embedder,
    tei_reranker: Reranker,
) -> tuple[FakeServer, Ask, type[GatewayError]]:
    """A request to each kind of TEI server, and what tells that it cannot be had."""
    if request.param == "embed":
        return fake_embedder, lambda: tei_embedder.embed(["red"], "query"), EmbedderFailed
    return fake_reranker, lambda: tei_reranker.scores(QUERY, ["red"]), RerankingUnavailable


async def until_well(model: Embedder | Reranker) -> None:
    model.start()
    await first_check(model)


async def first_check(model: Embedder | Reranker) -> None:
    """Check the model as soon as it has been looked for."""
    async with asyncio.timeout(20):
        while True:
            with suppress(StillLoading):
                return await model.check()
            await asyncio.sleep(0.01)


async def test_vectors_come_in_the_order_of_the_texts(embedder: Embedder) -> None:
    together = await embedder.embed(TEXTS, "passage")
    alone = [await embedder.embed([text], "query") for text in TEXTS]

    assert together.rows == [one.rows[0] for one in alone]
    assert len(set(together.rows)) == len(TEXTS)
    assert {len(row) for row in together.rows} == {4 * embedder.info().dimensions}
    assert together.tokens == sum(one.tokens for one in alone) == 2 * len(TEXTS)


async def test_a_text_too_long_is_cut_or_refused(embedder: Embedder) -> None:
    texts = ["short", "word " * 500]

    assert len((await embedder.embed(texts, "passage")).rows) == 2
    with pytest.raises(RequestRefused):
        await embedder.embed(texts, "passage", truncate=False)


async def test_too_many_texts_are_refused_before_any_work(embedder: Embedder) -> None:
    with pytest.raises(GatewayOverloaded) as overloaded:
        await embedder.embed(["x"] * 513, "query")

    assert (overloaded.value.retry_after_seconds or 0) >= 1
    assert (await embedder.embed(["x"] * 20, "query")).rows


async def test_scores_come_in_the_order_of_the_texts(reranker: Reranker) -> None:
    texts = sentences(2 * MAX_BATCH + 1, 6, seed=4)

    together = await reranker.scores(QUERY, texts)
    alone = [(await reranker.scores(QUERY, [text])).logits[0] for text in texts]

    assert np.abs(np.array(together.logits) - alone).max() <= 1e-4
    assert len({round(one, 4) for one in together.logits}) > 1
    assert together.tokens > 0


async def test_a_pair_too_long_is_cut_or_refused(reranker: Reranker) -> None:
    texts = ["red", " ".join(WORDS * 20)]

    assert len((await reranker.scores(QUERY, texts)).logits) == 2
    with pytest.raises(RequestRefused):
        await reranker.scores(QUERY, texts, truncate=False)


async def test_what_tei_says_is_told_as_it_is(
    tei_embedder: Embedder, tei_reranker: Reranker, fake_embedder: FakeServer, fake_reranker: FakeServer
) -> None:
    embedded = await tei_embedder.embed(TEXTS, "passage")
    scored = await tei_reranker.scores(QUERY, TEXTS)
    info = tei_embedder.info()

    assert [list(struct.unpack("<8f", row)) for row in embedded.rows] == [pytest.approx(vector(t)) for t in TEXTS]
    assert scored.logits == [pytest.approx(logit(QUERY, text)) for text in TEXTS]
    assert (info.embedder, info.revision, info.dimensions, info.max_tokens) == ("house/tiny-embedder", SHA, 8, 64)
    sent = [one for fake in (fake_embedder, fake_reranker) for one in fake.received if one.path != "/info"]
    assert {one.headers["authorization"] for one in sent} == {f"Bearer {API_KEY}"}
    assert max(len(one.body.get("inputs") or one.body["texts"]) for one in sent) == MAX_BATCH


async def test_the_vectors_are_those_of_the_unmodified_client(
    tei_embedder: Embedder, fake_embedder: FakeServer
) -> None:
    sync = InferenceClient(token="x").feature_extraction(TEXTS[:3], model=f"{fake_embedder.url}/embed", truncate=True)
    async with AsyncInferenceClient(token="x") as client:
        asynchronous = await client.feature_extraction(TEXTS[:3], model=f"{fake_embedder.url}/embed", normalize=True)
    ours = await tei_embedder.embed(TEXTS[:3], "passage")

    rows = np.stack([np.frombuffer(row, dtype="<f4") for row in ours.rows])
    assert np.array_equal(sync, rows)
    assert np.array_equal(asynchronous, rows)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("overloaded", UpstreamOverloaded),
        ("too_long", RequestRefused),
        ("failing", UpstreamBroken),
        ("cut", UpstreamBroken),
        ("cut_first", UpstreamBroken),
        ("broken_json", UpstreamBroken),
        ("not_text", UpstreamBroken),
        ("error_event", UpstreamBroken),
        ("stall", UpstreamTimeout),
        ("slow_headers", UpstreamTimeout),
    ],
)
async def test_each_fault_has_its_name_and_the_next_request_is_served(
    asked: tuple[FakeServer, Ask, type[GatewayError]], behaviour: Behaviour, kind: type[GatewayError]
) -> None:
    fake, ask, _ = asked
    fake.behave(behaviour)

    with pytest.raises(GatewayError) as caught:
        await ask()

    assert type(caught.value) is kind
    if behaviour == "overloaded":
        assert caught.value.retry_after_seconds == 7
    await ask()
    if behaviour in ("stall", "slow_headers"):
        await eventually(lambda: len(fake.disconnects) == 1)


async def test_a_server_that_is_not_ready_is_unavailable(asked: tuple[FakeServer, Ask, type[GatewayError]]) -> None:
    fake, ask, unavailable = asked
    fake.behave("not_ready")

    with pytest.raises(unavailable) as caught:
        await ask()

    assert (caught.value.retry_after_seconds or 0) >= 1


async def test_a_server_that_keeps_failing_is_given_a_rest_and_found_well_again(
    asked: tuple[FakeServer, Ask, type[GatewayError]],
) -> None:
    fake, ask, unavailable = asked
    await ask()
    fake.behave("failing", "failing", "failing")
    for _ in range(3):
        with pytest.raises(UpstreamBroken):
            await ask()
    before = len(fake.received)

    with pytest.raises(unavailable, match="rest") as rests:
        await ask()

    assert len(fake.received) == before
    assert (rests.value.retry_after_seconds or 0) >= 1
    await asyncio.sleep(1.3)
    await ask()
    await ask()


async def test_one_share_that_fails_fails_the_request(tei_embedder: Embedder, fake_embedder: FakeServer) -> None:
    fake_embedder.behave("right", "failing")

    with pytest.raises(UpstreamBroken):
        await tei_embedder.embed(TEXTS, "passage")


async def test_leaving_ends_the_request_upstream(tei_embedder: Embedder, fake_embedder: FakeServer) -> None:
    fake_embedder.behave("stall")
    asking = asyncio.create_task(tei_embedder.embed(["red"], "query"))
    while len(fake_embedder.received) < 1:
        await asyncio.sleep(0.005)

    asking.cancel()
    left_at = time.monotonic()
    await eventually(lambda: bool(fake_embedder.disconnects))

    assert fake_embedder.disconnects[0] - left_at < 0.1


async def test_an_address_where_nothing_listens_is_told_and_asked_again() -> None:
    embedder = embedder_from(Settings(embedding_url="http://127.0.0.1:9"), DEADLINES)
    reranker = reranker_from(Settings(reranking_url="http://127.0.0.1:9"), DEADLINES)
    assert reranker is not None
    embedder.start()
    with pytest.raises(ModelLoading):
        embedder.info()
    with pytest.raises(EmbedderFailed):
        await first_check(embedder)
    with pytest.raises(RerankingUnavailable):
        await reranker.scores(QUERY, ["red"])
    await embedder.aclose()
    await reranker.aclose()


async def test_a_server_of_the_other_kind_is_refused(fake_reranker: FakeServer, fake_embedder: FakeServer) -> None:
    embedder = embedder_from(Settings(embedding_url=fake_reranker.url), DEADLINES)
    reranker = reranker_from(Settings(reranking_url=fake_embedder.url), DEADLINES)
    assert reranker is not None
    embedder.start()
    with pytest.raises(EmbedderFailed, match="no embedding model"):
        await first_check(embedder)
    with pytest.raises(RerankingUnavailable, match="no reranking model"):
        await reranker.scores(QUERY, ["red"])
    await embedder.aclose()
    await reranker.aclose()


@pytest.mark.parametrize("noticed_by", ["check", "embed"])
async def test_another_model_behind_the_address_is_noticed(
    tei_embedder: Embedder, monkeypatch: pytest.MonkeyPatch, noticed_by: str
) -> None:
    monkeypatch.setattr("tests.fakes.tei_server.SHA", "b" * 40)
    monkeypatch.setattr("inference_gateway.upstreams.tei.TRUSTED_SECONDS", 0.0)

    await (tei_embedder.check() if noticed_by == "check" else tei_embedder.embed(["red"], "query"))

    assert tei_embedder.info().revision == "b" * 40


async def test_many_at_once_ask_once_what_is_served(
    tei_embedder: Embedder, fake_embedder: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_gateway.upstreams.tei.TRUSTED_SECONDS", 0.0)

    await asyncio.gather(*(tei_embedder.embed([f"text {number}"], "query") for number in range(20)))

    paths = [one.path for one in fake_embedder.received]
    assert (paths.count("/info"), paths.count("/embed")) == (1, 20)


async def test_what_another_model_gives_never_bears_the_revision_of_the_one_before(
    tei_embedder: Embedder, fake_embedder: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("inference_gateway.upstreams.tei.TRUSTED_SECONDS", 0.0)
        monkeypatch.setattr("tests.fakes.tei_server.SHA", "b" * 40)
        fake_embedder.behave("overloaded")
        with pytest.raises(UpstreamOverloaded):
            await tei_embedder.embed(["red"], "query")

    assert (await tei_embedder.embed(["red"], "query")).rows
    assert tei_embedder.info().revision == "b" * 40


def test_settings_choose_and_no_metadata_service_is_an_address(tiny_cross_encoder: Path) -> None:
    assert isinstance(embedder_from(Settings()), EmbedderSlot)
    assert isinstance(embedder_from(Settings(embedding_url="http://tei:80")), TeiEmbedder)
    assert reranker_from(Settings()) is None
    assert isinstance(reranker_from(Settings(reranker=str(tiny_cross_encoder))), RerankerSlot)
    with pytest.raises(SettingsError, match="EMBEDDING_URL"):
        embedder_from(Settings(embedding_url="http://169.254.169.254/"))
    with pytest.raises(SettingsError, match="RERANKING_URL"):
        reranker_from(Settings(reranking_url="ftp://x"))
