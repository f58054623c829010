"""`POST /v1/embeddings`: OpenAI's shape, and a lane."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency

from inference_gateway.contract import EMBED_PURPOSE, Lane, ModelInfo
from inference_gateway.engines.batching import Embedded
from inference_gateway.engines.protocol import Embedder
from inference_gateway.errors import ModelUnknown, RequestRefused
from inference_gateway.rows import floats_of
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.disconnect import while_connected
from inference_gateway.wire.documents import document
from inference_gateway.wire.fields import Text, Texts
from inference_gateway.wire.vectors import base64_of

LANE_HEADER = "x-lyceum-lane"
LANES: tuple[Lane, ...] = ("query", "passage")


class EmbeddingInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's request. `lane` (or the header `X-Lyceum-Lane`) tells a question from a passage; passages can wait."""

    input: Text | Texts
    model: str = ""
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None
    lane: Lane | None = None


_decoder = msgspec.json.Decoder(EmbeddingInput)


@post("/v1/embeddings", status_code=200, opt=purposes(EMBED_PURPOSE))
async def create_embeddings(request: Request[Any, Any, Any], slot: NamedDependency[Embedder]) -> Response[bytes]:
    """Embed one or many texts; a client that leaves takes what is not computed yet with it."""
    wanted = await read_body(request, _decoder)
    info = slot.info()
    _check(wanted, info)
    texts = (wanted.input,) if isinstance(wanted.input, str) else wanted.input
    embedded = await while_connected(request, slot.embed(texts, _lane(request, wanted)))
    return document(_reply(embedded, info, wanted.encoding_format))


def _check(wanted: EmbeddingInput, info: ModelInfo) -> None:
    if wanted.model not in ("", info.embedder):
        raise ModelUnknown(f"The embedding model served here is {info.embedder}.", pointer="/model")
    if wanted.dimensions not in (None, info.dimensions):
        raise RequestRefused(f"This model has {info.dimensions} dimensions.", pointer="/dimensions")


def _lane(request: Request[Any, Any, Any], wanted: EmbeddingInput) -> Lane:
    if wanted.lane is not None:
        return wanted.lane
    header = request.headers.get(LANE_HEADER, "passage")
    for lane in LANES:
        if header == lane:
            return lane
    raise RequestRefused(f"{LANE_HEADER} must be one of {', '.join(LANES)}.")


def _reply(embedded: Embedded, info: ModelInfo, encoding: str) -> dict[str, Any]:
    encode = base64_of if encoding == "base64" else floats_of
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": encode(row)} for i, row in enumerate(embedded.rows)],
        "model": info.embedder,
        "revision": info.revision,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }
