"""TEI's wire at the gateway's door: the unmodified `huggingface_hub` clients, ranks, and TEI's errors."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from sentence_transformers import CrossEncoder

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from inference_gateway.engines.lanes import LaneLimits
from inference_gateway.engines.reranking.slot import RerankerSlot
from inference_gateway.errors import ModelLoading
from inference_gateway.rows import floats_of
from inference_gateway.upstreams.encoders import embedder_from
from ops.runtime.settings import Settings
from tests import rerankers
from tests.contract.gateway.conftest import DEADLINES
from tests.gateways import INFO, HashingEncoder, RunningGateway, running_gateway, vector
from tests.processes import until
from tests.rerankers import sentences

tiny_cross_encoder = rerankers.tiny_cross_encoder

TEXTS = ["one", "two two two", "ثلاثة"]
QUERY = "the red prism"


@pytest.fixture(scope="module")
def gateway(tiny_cross_encoder: Path) -> Iterator[RunningGateway]:
    with running_gateway(reranker=RerankerSlot(str(tiny_cross_encoder))) as running:
        until(lambda: "up" in httpx.get(f"{running.url}/health/ready").json()["components"][1]["status"], 30)
        yield running


def post(gateway: RunningGateway, path: str, body: Any, purpose: str = EMBED_PURPOSE) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", json=body, headers=gateway.headers(purpose), timeout=20)


def unit(text: str) -> list[float]:
    values = vector(text)
    return [value / math.hypot(*values) for value in values]


@pytest.mark.parametrize("path", ["", "/", "/embed"])
@pytest.mark.parametrize("inputs", [TEXTS, "one"])
async def test_feature_extraction_of_both_clients(gateway: RunningGateway, path: str, inputs: Any) -> None:
    token = gateway.token(EMBED_PURPOSE)
    sync = InferenceClient(gateway.url + path, token=token).feature_extraction(inputs)
    async with AsyncInferenceClient(gateway.url + path, token=token) as client:
        asynchronous = await client.feature_extraction(inputs, normalize=False, truncate=True, prompt_name="query")

    texts = TEXTS if inputs == TEXTS else ["one"]
    assert np.allclose(sync, [unit(text) for text in texts], atol=1e-6)
    assert np.allclose(asynchronous, [vector(text) for text in texts], atol=1e-6)
    assert sync.dtype == np.float32


def test_a_text_too_long_is_refused_with_the_limit_unless_it_may_be_cut(gateway: RunningGateway) -> None:
    body = {"inputs": ["short", "word " * (INFO.max_tokens + 1)]}

    refused = post(gateway, "/embed", body)
    cut = post(gateway, "/embed", {**body, "truncate": True})

    assert refused.status_code == 422
    assert refused.json() == {
        "error": f"This text has {INFO.max_tokens + 1} tokens; the model takes {INFO.max_tokens}. "
        "Set `truncate` to have it cut.",
        "error_type": "Validation",
        "code": "invalid_request",
        "pointer": "/inputs/1",
    }
    assert cut.status_code == 200
    assert cut.headers["x-compute-tokens"] == str(INFO.max_tokens + 2)


def test_ranks_are_sorted_and_equal_the_bare_librarys(gateway: RunningGateway, tiny_cross_encoder: Path) -> None:
    texts = sentences(12, 10, seed=5)
    bare = CrossEncoder(str(tiny_cross_encoder), device="cpu")
    pairs = [(QUERY, text) for text in texts]

    ranks = post(gateway, "/rerank", {"query": QUERY, "texts": texts}).json()
    raw = post(gateway, "/rerank", {"query": QUERY, "texts": texts, "raw_scores": True, "return_text": True}).json()

    assert [rank["score"] for rank in ranks] == sorted((rank["score"] for rank in ranks), reverse=True)
    assert [rank["index"] for rank in ranks] == [rank["index"] for rank in raw]
    assert sorted(rank["index"] for rank in ranks) == list(range(12))
    expected, logits = bare.predict(pairs), bare.predict(pairs, activation_fn=torch.nn.Identity())
    assert all(abs(rank["score"] - expected[rank["index"]]) <= 1e-4 for rank in ranks)
    assert all(abs(rank["score"] - logits[rank["index"]]) <= 1e-4 for rank in raw)
    assert all(set(rank) == {"index", "score"} for rank in ranks)
    assert all(rank["text"] == texts[rank["index"]] for rank in raw)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/embed", {}, "/inputs"),
        ("/embed", {"inputs": []}, "/inputs"),
        ("/embed", {"inputs": ["x", 3]}, "/inputs/1"),
        ("/embed", {"inputs": "x", "colour": 1}, "/colour"),
        ("/embed", {"inputs": "x", "dimensions": 7}, "/dimensions"),
        ("/embed", {"inputs": "x", "truncation_direction": "left"}, "/truncation_direction"),
        ("/embed", {"inputs": "x", "prompt_name": "poem"}, "/prompt_name"),
        ("/", {"inputs": ["x"] * 2049}, "/inputs"),
        ("/rerank", {"texts": ["x"]}, "/query"),
        ("/rerank", {"query": "x", "texts": []}, "/texts"),
        ("/rerank", {"query": "x", "texts": ["red " * 40]}, "/texts/0"),
        ("/rerank", {"query": "x", "texts": ["x" * 70_000]}, "/texts/0"),
    ],
)
def test_bad_input_is_told_in_teis_shape(gateway: RunningGateway, path: str, body: Any, pointer: str) -> None:
    reply = post(gateway, path, body)

    told = reply.json()
    assert (reply.status_code, told["error_type"], told["code"]) == (422, "Validation", "invalid_request")
    assert told["pointer"] == pointer


async def test_the_gateway_is_a_tei_server_for_another(gateway: RunningGateway) -> None:
    settings = Settings(embedding_url=gateway.url, embedding_api_key=gateway.token(EMBED_PURPOSE))
    embedder = embedder_from(settings, DEADLINES)
    embedder.start()
    while True:
        with suppress(ModelLoading):
            info = embedder.info()
            break
        await asyncio.sleep(0.01)

    embedded = await embedder.embed(TEXTS, "passage")

    assert (info.embedder, info.revision, info.dimensions) == (INFO.embedder, INFO.revision, INFO.dimensions)
    assert [floats_of(row) for row in embedded.rows] == [pytest.approx(unit(text), abs=1e-6) for text in TEXTS]
    assert embedded.tokens == 5
    await embedder.aclose()


def test_the_endpoint_tells_about_its_embedder(gateway: RunningGateway) -> None:
    client = InferenceClient(gateway.url, provider="hf-inference", token=gateway.token(EMBED_PURPOSE))

    told = client.get_endpoint_info()

    assert (told["model_id"], told["model_sha"], told["max_input_length"]) == (
        INFO.embedder,
        INFO.revision,
        INFO.max_tokens,
    )


def test_the_client_raises_what_is_refused(gateway: RunningGateway) -> None:
    client = InferenceClient(f"{gateway.url}/embed", token=gateway.token(EMBED_PURPOSE))

    with pytest.raises(HfHubHTTPError) as refused:
        client.feature_extraction("x", prompt_name="poem")

    assert refused.value.response.status_code == 422


def test_overload_and_absence_are_told_in_teis_shape(lonely_gateway: RunningGateway) -> None:
    absent = post(lonely_gateway, "/rerank", {"query": "x", "texts": ["y"]})
    with running_gateway(encoder=HashingEncoder(limits=LaneLimits(waiting_passages=2))) as full:
        overloaded = post(full, "/embed", {"inputs": ["x"] * 3})

    assert (absent.status_code, absent.json()["error_type"]) == (503, "Unhealthy")
    assert absent.json()["code"] == "reranking_unavailable"
    assert (overloaded.status_code, overloaded.json()["error_type"]) == (429, "Overloaded")
    assert int(overloaded.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/embed", "/rerank"])
def test_a_token_to_generate_neither_embeds_nor_ranks(gateway: RunningGateway, path: str) -> None:
    reply = post(gateway, path, {"inputs": "x"}, GENERATE_PURPOSE)

    assert (reply.status_code, reply.json()["code"]) == (401, "invalid_token")


def test_a_token_to_generate_gets_tgis_answer_at_the_root(gateway: RunningGateway) -> None:
    reply = post(gateway, "/", {"inputs": "x"}, GENERATE_PURPOSE)

    assert (reply.status_code, reply.json()["error_type"], reply.json()["code"]) == (
        503,
        "healthcheck",
        "generation_unavailable",
    )
