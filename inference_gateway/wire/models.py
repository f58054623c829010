"""`GET /v1/models`: what is served here, with the facts a caller must know before it uses a vector."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from inference_gateway.engines.protocol import Embedder
from inference_gateway.generation import Generation
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.documents import document

CREATED = 0
"""OpenAI's clients require the field; no date of ours would mean anything."""


@get("/v1/models", opt=purposes(EMBED_PURPOSE, GENERATE_PURPOSE))
async def list_models(slot: NamedDependency[Embedder], generation: NamedDependency[Generation]) -> Response[bytes]:
    """List the embedder and every name that leads to a generator, the default one first; 503 while the embedder loads."""
    info = slot.info()
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
    cards += [{"id": name, "kind": "generation"} for name in generation.router.aliases.names]
    common = {"object": "model", "created": CREATED, "owned_by": "lyceum"}
    body = {"object": "list", "data": [{**card, **common} for card in cards]}
    return document(body)
