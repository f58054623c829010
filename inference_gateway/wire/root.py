"""`POST /` and `GET /info`, where TGI and TEI both answer: a token made to embed gets TEI's, one made to generate TGI's."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Stream

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from inference_gateway.engines.protocol import Embedder
from inference_gateway.generation import Generation
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.documents import document
from inference_gateway.wire.tei import embed_texts, told_of_embedder
from inference_gateway.wire.tgi import generate_either, told_of


@post("/", status_code=200, opt=purposes(GENERATE_PURPOSE, EMBED_PURPOSE))
async def root(
    request: Request[Any, Any, Any], generation: NamedDependency[Generation], slot: NamedDependency[Embedder]
) -> Response[bytes] | Stream:
    """Continue a text as `stream` says, or embed texts."""
    if request.state.claims.purpose == EMBED_PURPOSE:
        return await embed_texts(request, slot)
    return await generate_either(request, generation)


@get("/info", opt=purposes(GENERATE_PURPOSE, EMBED_PURPOSE))
async def info(
    request: Request[Any, Any, Any], generation: NamedDependency[Generation], slot: NamedDependency[Embedder]
) -> Response[bytes]:
    """Tell what is served; 503 where nothing is."""
    embeds = request.state.claims.purpose == EMBED_PURPOSE
    return document(told_of_embedder(slot) if embeds else told_of(generation))
