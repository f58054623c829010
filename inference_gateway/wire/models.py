"""`GET /v1/models`: what is served here, with the facts a caller must know before it uses a vector."""

from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.generation import Generation
from inference_gateway.wire.auth import purposes

CREATED = 0
"""OpenAI's clients require the field; no date of ours would mean anything."""


@get("/v1/models", opt=purposes(EMBED_PURPOSE, GENERATE_PURPOSE))
async def list_models(slot: NamedDependency[EmbedderSlot], generation: NamedDependency[Generation]) -> Response[bytes]:
    """List the embedder and, where one is set up, the generator; 503 while the embedder loads."""
    info = slot.engine().info
    cards: list[dict[str, Any]] = [
        {
            "id": info.embedder,
            "kind": "embedding",
            "revision": info.revision,
            "dimensions": info.dimensions,
            "languages": info.languages,
            "max_tokens": info.max_tokens,
        }
    ]
    if generation.model is not None:
        cards.append({"id": generation.model, "kind": "generation"})
    common = {"object": "model", "created": CREATED, "owned_by": "lyceum"}
    body = {"object": "list", "data": [{**card, **common} for card in cards]}
    return Response(content=msgspec.json.encode(body), media_type="application/json")
