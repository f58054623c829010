"""The packaged model through the engine: the same vectors as sentence-transformers gives."""

import asyncio
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from inference_gateway.engines.batching import BatchingEmbedder
from inference_gateway.engines.model_files import PACKAGED_NAME, PACKAGED_SHA256, ModelFiles, locate_model
from inference_gateway.engines.sentence_encoder import SentenceEncoder

WORDS = [
    *["the", "gradient", "of", "a", "loss", "falls", "along", "its", "steepest", "slope"],
    *["while", "learning", "rates", "decay", "احتمال", "شرطي"],
]


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    return locate_model("")


@pytest.fixture(scope="module")
def engine(files: ModelFiles) -> Iterator[BatchingEmbedder]:
    running = BatchingEmbedder(SentenceEncoder(files))
    yield running
    running.close()


@pytest.fixture(scope="module")
def bare(files: ModelFiles) -> SentenceTransformer:
    return SentenceTransformer(str(files.folder), device="cpu")


def texts(count: int, longest: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, longest))) for _ in range(count)]


def matrix(rows: list[bytes]) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(row, dtype="<f4") for row in rows])


async def test_vectors_equal_those_of_bare_sentence_transformers(
    engine: BatchingEmbedder, bare: SentenceTransformer
) -> None:
    passages = [*texts(24, 250, seed=1), "", " ", "\x00", "x" * 5000]

    embedded = await engine.embed(passages, "passage")

    difference = np.abs(matrix(embedded.rows) - bare.encode(passages))
    assert difference.max() <= 1e-5


async def test_batching_with_others_does_not_change_a_vector(
    engine: BatchingEmbedder, bare: SentenceTransformer
) -> None:
    requests = [texts(7, 60, seed=n) for n in range(5)]

    answers = await asyncio.gather(
        *(engine.embed(request, "query" if n % 2 else "passage") for n, request in enumerate(requests))
    )

    for request, answer in zip(requests, answers, strict=True):
        alone = np.stack([bare.encode(text) for text in request])
        assert np.abs(matrix(answer.rows) - alone).max() <= 1e-5


async def test_facts_about_the_packaged_model(engine: BatchingEmbedder) -> None:
    info = engine.info

    assert (info.embedder, info.revision) == (PACKAGED_NAME, PACKAGED_SHA256)
    assert (info.dimensions, info.max_tokens, info.languages) == (384, 256, ("en",))


async def test_a_long_text_is_cut_at_the_models_limit(engine: BatchingEmbedder) -> None:
    assert (await engine.embed(["word " * 5000], "passage")).tokens == 256


def test_it_computes_in_single_precision_without_gradients(files: ModelFiles) -> None:
    encoder = SentenceEncoder(files)

    (row,) = encoder.encode(encoder.prepare(["a sentence"], "query"))

    assert len(row) == 384 * 4
    assert torch.linalg.vector_norm(torch.frombuffer(bytearray(row), dtype=torch.float32)).item() == pytest.approx(1.0)
