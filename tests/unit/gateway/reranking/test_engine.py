"""The reranking engine: the scores of the bare library, in batches with others."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from inference_gateway.engines import batching
from inference_gateway.engines.batching import Prepared
from inference_gateway.engines.model_files import ChecksumMismatch, ModelFilesError, locate_model
from inference_gateway.engines.reranking.cross_encoder import PairEncoder
from inference_gateway.engines.reranking.engine import BatchingReranker
from inference_gateway.engines.reranking.slot import NoReranker, RerankerSlot
from inference_gateway.errors import ModelLoading, RequestRefused, RerankingUnavailable
from ops.runtime.health import StillLoading
from tests import rerankers
from tests.rerankers import MAX_TOKENS, save_tiny_cross_encoder, sentences

tiny_cross_encoder = rerankers.tiny_cross_encoder

QUERY = "the prism bends blue light more"


@pytest.fixture(scope="module")
def encoder(tiny_cross_encoder: Path) -> PairEncoder:
    return PairEncoder(locate_model(str(tiny_cross_encoder)))


@pytest.fixture(scope="module")
def engine(encoder: PairEncoder) -> Iterator[BatchingReranker]:
    running = BatchingReranker(encoder)
    yield running
    running.close()


@pytest.fixture(scope="module")
def bare(tiny_cross_encoder: Path) -> CrossEncoder:
    model: CrossEncoder = CrossEncoder(str(tiny_cross_encoder), device="cpu")
    return model


def logits(bare: CrossEncoder, query: str, texts: list[str]) -> np.ndarray:
    return bare.predict([(query, text) for text in texts], activation_fn=torch.nn.Identity())


async def test_scores_equal_those_of_the_bare_library(engine: BatchingReranker, bare: CrossEncoder) -> None:
    texts = [*sentences(40, 60, seed=1), "", " ", "ضوء أزرق"]

    scored = await engine.scores(QUERY, texts)

    assert np.abs(np.array(scored.logits) - logits(bare, QUERY, texts)).max() <= 1e-4
    assert np.ptp(scored.logits) > 0.1
    probabilities = 1 / (1 + np.exp(-np.array(scored.logits)))
    assert np.abs(probabilities - bare.predict([(QUERY, text) for text in texts])).max() <= 1e-4


async def test_requests_at_the_same_time_do_not_mix(engine: BatchingReranker, bare: CrossEncoder) -> None:
    questions = sentences(12, 6, seed=2)
    texts = [sentences(5, 20, seed=10 + number) for number in range(len(questions))]

    answers = await asyncio.gather(*(engine.scores(q, t) for q, t in zip(questions, texts, strict=True)))

    for question, asked, answer in zip(questions, texts, answers, strict=True):
        assert np.abs(np.array(answer.logits) - logits(bare, question, asked)).max() <= 1e-4


async def test_pairs_of_like_length_share_a_batch(encoder: PairEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[int]] = []
    encode = encoder.encode

    def noting(batch: list[Prepared]) -> list[bytes]:
        batches.append([item.tokens for item in batch])
        return encode(batch)

    monkeypatch.setattr(encoder, "encode", noting)
    monkeypatch.setattr(encoder, "workers", 1)
    engine = BatchingReranker(encoder)
    await engine.scores(QUERY, sentences(24, 18, seed=3))
    engine.close()

    assert len(batches) < 24
    assert all(batch == sorted(batch, reverse=True) for batch in batches)
    assert all(len(batch) * max(batch) <= encoder.limits.batch_tokens for batch in batches)


async def test_a_pair_too_long_is_cut_or_refused_with_the_limit(engine: BatchingReranker) -> None:
    texts = ["red", "green " * 60]

    assert len((await engine.scores(QUERY, texts)).logits) == 2
    with pytest.raises(RequestRefused, match=f"takes {MAX_TOKENS}") as refused:
        await engine.scores(QUERY, texts, truncate=False)
    assert refused.value.pointer == "/texts/1"


async def test_it_is_well_while_it_works(encoder: PairEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, encode, computed = BatchingReranker(encoder), encoder.encode, 0

    def counting(batch: list[Prepared]) -> list[bytes]:
        nonlocal computed
        computed += len(batch)
        return encode(batch)

    def failing(_: list[Prepared]) -> list[bytes]:
        raise ArithmeticError

    monkeypatch.setattr(encoder, "encode", counting)
    for _ in range(2):
        await engine.check()
    assert computed == 1, "what succeeded lately is not tried again"
    monkeypatch.setattr(batching, "HEALTHY_FOR_SECONDS", 0.0)
    monkeypatch.setattr(encoder, "encode", failing)
    with pytest.raises(RerankingUnavailable):
        await engine.check()
    engine.close()


def test_a_score_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    broken = PairEncoder(locate_model(str(save_tiny_cross_encoder(tmp_path / "broken"))))
    next(broken._model.parameters()).data.fill_(float("nan"))

    with pytest.raises(ArithmeticError):
        broken.encode(broken.prepare([(QUERY, "red")], "passage"))


def test_what_is_no_reranker_is_refused(tmp_path: Path) -> None:
    classifier = save_tiny_cross_encoder(tmp_path / "classifier", labels=3)
    with pytest.raises(ModelFilesError, match="3 scores"):
        PairEncoder(locate_model(str(classifier)))
    with pytest.raises(ChecksumMismatch):
        locate_model(str(classifier), "0" * 64)


async def test_the_slot_loads_in_the_background_and_names_what_failed(tiny_cross_encoder: Path, tmp_path: Path) -> None:
    slot = RerankerSlot(str(tiny_cross_encoder))
    with pytest.raises(StillLoading):
        await slot.check()
    with pytest.raises(ModelLoading):
        await slot.scores(QUERY, ["red"])
    slot.start()
    while slot.progress.stage != "ready":
        await asyncio.sleep(0.01)
    assert len((await slot.scores(QUERY, ["red", "blue"])).logits) == 2
    await slot.check()
    await slot.aclose()

    wrong = RerankerSlot(str(tiny_cross_encoder), sha256="0" * 64)
    wrong.start()
    while wrong.progress.stage != "failed":
        await asyncio.sleep(0.01)
    with pytest.raises(RerankingUnavailable, match="sha256"):
        await wrong.scores(QUERY, ["red"])
    await wrong.aclose()


async def test_without_a_model_it_says_so() -> None:
    with pytest.raises(RerankingUnavailable, match="set up"):
        await NoReranker().scores(QUERY, ["red"])
