"""A fake of Text Embeddings Inference 1: `/embed`, `/rerank`, `/info` and `/health`, with its own errors."""

import asyncio
import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tests.fakes.behaviours import RETRY_AFTER_SECONDS, Behaviour
from tests.fakes.server import Cut, Exchange, FakeServer, serving

DIMENSIONS = 8
MAX_TOKENS = 64
MAX_BATCH = 4
SHA = "f16e2d5ac5c8ac8b0fbe2f0bb7a5c8c7d0a3f0a1"

Kind = Literal["embedding", "reranker"]
MODELS = {"embedding": "house/tiny-embedder", "reranker": "house/tiny-reranker"}

_REFUSALS: dict[str, tuple[int, str, str]] = {
    "overloaded": (429, "Overloaded", "Model is overloaded"),
    "not_ready": (503, "Unhealthy", "Unhealthy"),
    "too_long": (413, "Validation", "`inputs` must have less than 64 tokens. Given: 99"),
    "failing": (424, "Backend", "DriverError(CUDA_ERROR_ILLEGAL_ADDRESS)"),
}


@contextmanager
def tei_server(kind: Kind) -> Iterator[FakeServer]:
    """Run the fake with a model of one kind; a server has only one."""

    async def answer(fake: FakeServer, exchange: Exchange) -> None:
        path = exchange.received.path
        if path == "/info":
            await exchange.json(info(kind))
        elif path == "/health":
            await exchange.start(200, "text/plain")
            await exchange.end()
        elif path == ("/embed" if kind == "embedding" else "/rerank"):
            await _compute(fake, exchange, kind)
        elif path in ("/embed", "/rerank"):
            await _refuse(exchange, 424, "Backend", f"model is not a {path[1:]} model")
        else:
            await exchange.json({"error": "not found"}, 404)

    with serving(answer) as fake:
        yield fake


def info(kind: Kind) -> dict[str, Any]:
    """Return what `/info` tells."""
    of_kind = {"pooling": "mean"} if kind == "embedding" else {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    return {
        "model_id": MODELS[kind],
        "model_sha": SHA,
        "model_dtype": "float32",
        "model_type": {kind: of_kind},
        "max_concurrent_requests": 512,
        "max_input_length": MAX_TOKENS,
        "max_batch_tokens": 16384,
        "max_batch_requests": None,
        "max_client_batch_size": MAX_BATCH,
        "auto_truncate": False,
        "tokenization_workers": 4,
        "version": "1.8.2",
        "sha": None,
        "docker_label": None,
    }


def vector(text: str) -> list[float]:
    """Return the vector of length 1 that the fake gives for `text`."""
    values = [byte / 256 + 0.01 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]
    length = math.hypot(*values)
    return [value / length for value in values]


def logit(query: str, text: str) -> float:
    """Return the score that the fake gives: words in common, with a tie seldom."""
    return len(set(query.split()) & set(text.split())) - 1.5 - len(text) / 1000


async def _compute(fake: FakeServer, exchange: Exchange, kind: Kind) -> None:
    behaviour = fake.next_behaviour()
    if behaviour in _REFUSALS:
        await _refuse(exchange, *_REFUSALS[behaviour])
    elif behaviour != "right":
        await _fault(exchange, behaviour)
    else:
        await _answer(exchange, kind)


async def _answer(exchange: Exchange, kind: Kind) -> None:
    body = exchange.received.body
    inputs = body["inputs"] if kind == "embedding" else body["texts"]
    texts = [inputs] if isinstance(inputs, str) else inputs
    if len(texts) > MAX_BATCH:
        await _refuse(exchange, 413, "Validation", f"batch size {len(texts)} > maximum allowed batch size {MAX_BATCH}")
        return
    lengths = [len(text.split()) for text in texts]
    if max(lengths) > MAX_TOKENS and not body.get("truncate"):
        await _refuse(exchange, *_REFUSALS["too_long"])
        return
    content: Any = [vector(text) for text in texts]
    if kind == "reranker":
        content = _ranks(body)
    await exchange.json(content, 200, {"x-compute-tokens": str(sum(min(one, MAX_TOKENS) for one in lengths))})


def _ranks(body: dict[str, Any]) -> list[dict[str, Any]]:
    ranks = []
    for index, text in enumerate(body["texts"]):
        score = logit(body["query"], text)
        rank = {"index": index, "score": score if body.get("raw_scores") else 1 / (1 + math.exp(-score))}
        ranks.append({**rank, "text": text} if body.get("return_text") else rank)
    return sorted(ranks, key=lambda rank: -rank["score"])


async def _refuse(exchange: Exchange, status: int, kind: str, message: str) -> None:
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 429 else {}
    await exchange.json({"error": message, "error_type": kind}, status, headers)


async def _fault(exchange: Exchange, behaviour: Behaviour) -> None:
    if behaviour == "slow_headers":
        await asyncio.Event().wait()  # until the client leaves
    if behaviour == "cut_first":
        raise Cut
    await exchange.start(200, "application/json")
    await exchange.write({"not_text": b"[[null, 1.0]]", "error_event": b'{"error": "no"}'}.get(behaviour, b"[[0.1, 0."))
    if behaviour == "cut":
        raise Cut
    if behaviour == "stall":
        await asyncio.Event().wait()  # until the client leaves
    await exchange.end()
