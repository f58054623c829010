"""TEI's wire: `POST /embed` and `/rerank`."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency

from inference_gateway.contract import EMBED_PURPOSE, MAX_TEXTS_PER_REQUEST, Lane
from inference_gateway.engines.protocol import Embedder, Reranker, Scores
from inference_gateway.errors import RequestRefused
from inference_gateway.rows import floats_of
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.disconnect import while_connected
from inference_gateway.wire.documents import document
from inference_gateway.wire.fields import Text, Texts
from inference_gateway.wire.vectors import normalized, sigmoid

TOKENS_HEADER = "x-compute-tokens"
_LANES: dict[str | None, Lane] = {None: "passage", "query": "query", "passage": "passage", "document": "passage"}

Side = Literal["right", "Right"]


class EmbedInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TEI's request. `prompt_name` tells a question from a passage, which can wait; texts are cut on the right alone."""

    inputs: Text | Texts
    truncate: bool = False
    normalize: bool = True
    prompt_name: Literal["query", "passage", "document"] | None = None
    truncation_direction: Side = "right"
    dimensions: int | None = None
    encoding_format: Literal["float"] = "float"


class RerankInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TEI's request. A score is a probability, or with `raw_scores` the model's logit."""

    query: Text
    texts: Texts
    truncate: bool = False
    raw_scores: bool = False
    return_text: bool = False
    truncation_direction: Side = "right"


class Rank(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text's place: `index` is that in the request."""

    index: int
    score: float
    text: str | None = None


_embed_decoder = msgspec.json.Decoder(EmbedInput)
_rerank_decoder = msgspec.json.Decoder(RerankInput)


@post("/embed", status_code=200, opt=purposes(EMBED_PURPOSE))
async def embed(request: Request[Any, Any, Any], slot: NamedDependency[Embedder]) -> Response[bytes]:
    """Embed one or many texts; a client that leaves takes what is not computed yet with it."""
    return await embed_texts(request, slot)


@post("/rerank", status_code=200, opt=purposes(EMBED_PURPOSE))
async def rerank(request: Request[Any, Any, Any], reranker: NamedDependency[Reranker]) -> Response[bytes]:
    """Return the texts' places, the best first."""
    wanted = await read_body(request, _rerank_decoder)
    scores = await while_connected(request, reranker.scores(wanted.query, wanted.texts, truncate=wanted.truncate))
    return _reply(_ranks(wanted, scores), scores.tokens)


async def embed_texts(request: Request[Any, Any, Any], slot: Embedder) -> Response[bytes]:
    """Answer an `EmbedInput`, on whichever path it comes."""
    wanted = await read_body(request, _embed_decoder)
    dimensions = slot.info().dimensions
    if wanted.dimensions not in (None, dimensions):
        raise RequestRefused(f"This model has {dimensions} dimensions.", pointer="/dimensions")
    texts = (wanted.inputs,) if isinstance(wanted.inputs, str) else wanted.inputs
    lane = _LANES[wanted.prompt_name]
    embedded = await while_connected(request, slot.embed(texts, lane, truncate=wanted.truncate))
    vectors = [floats_of(row) for row in embedded.rows]
    return _reply([normalized(one) for one in vectors] if wanted.normalize else vectors, embedded.tokens)


def told_of_embedder(slot: Embedder) -> dict[str, Any]:
    """Return what `/info` tells; raises as `Embedder.info`."""
    info = slot.info()
    return {
        "model_id": info.embedder,
        "model_sha": info.revision,
        "model_dtype": "float32",
        "model_type": {"embedding": {"pooling": "model"}},
        "max_input_length": info.max_tokens,
        "max_client_batch_size": MAX_TEXTS_PER_REQUEST,
        "auto_truncate": False,
        "router": "lyceum",
    }


def _ranks(wanted: RerankInput, scores: Scores) -> list[Rank]:
    ranks = [
        Rank(
            index=index,
            score=logit if wanted.raw_scores else sigmoid(logit),
            text=text if wanted.return_text else None,
        )
        for index, (text, logit) in enumerate(zip(wanted.texts, scores.logits, strict=True))
    ]
    return sorted(ranks, key=lambda rank: scores.logits[rank.index], reverse=True)


def _reply(content: object, tokens: int) -> Response[bytes]:
    return document(content, headers={TOKENS_HEADER: str(tokens)})
