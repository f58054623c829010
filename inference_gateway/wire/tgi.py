"""TGI's wire: `POST /generate`, `/generate_stream`, and what it tells on `/` and `/info`."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.response import Stream

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, MAX_COMPLETION_TOKENS
from inference_gateway.errors import GenerationUnavailable
from inference_gateway.generation import Answer, Generation
from inference_gateway.wire.answering import json_response, streamed, whole
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.fields import MAX_STOPS
from inference_gateway.wire.tgi_answers import TgiEvents, whole_generation
from inference_gateway.wire.tgi_input import GenerateInput, generate_request

_decoder = msgspec.json.Decoder(GenerateInput)


@post("/generate", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def generate(request: Request[Any, Any, Any], generation: NamedDependency[Generation]) -> Response[bytes]:
    """Continue a text, whole."""
    wanted = await read_body(request, _decoder)
    return await _whole(request, _open(request, wanted, generation, whole=True), wanted)


@post("/generate_stream", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def generate_stream(request: Request[Any, Any, Any], generation: NamedDependency[Generation]) -> Stream:
    """Continue a text, token by token."""
    wanted = await read_body(request, _decoder)
    return await streamed(request, _open(request, wanted, generation, whole=False), lambda _model: TgiEvents(wanted))


async def generate_either(request: Request[Any, Any, Any], generation: Generation) -> Response[bytes] | Stream:
    """Answer on `/` as `stream` says; the whole answer is the one element of a list."""
    wanted = await read_body(request, _decoder)
    answer = _open(request, wanted, generation, whole=not wanted.stream)
    if wanted.stream:
        return await streamed(request, answer, lambda _model: TgiEvents(wanted))
    return await _whole(request, answer, wanted, in_list=True)


def told_of(generation: Generation) -> dict[str, Any]:
    """Return what `/info` tells; raises `GenerationUnavailable` where nothing is served."""
    if generation.model is None:
        raise GenerationUnavailable("No generation model is set up.")
    return {
        "model_id": generation.model,
        "model_pipeline_tag": "text-generation",
        "max_best_of": 1,
        "max_stop_sequences": MAX_STOPS,
        "max_new_tokens": MAX_COMPLETION_TOKENS,
        "router": "lyceum",
    }


def _open(request: Request[Any, Any, Any], wanted: GenerateInput, generation: Generation, *, whole: bool) -> Answer:
    return generation.open(generate_request(wanted, whole=whole), Caller.of(request.state.claims))


async def _whole(
    request: Request[Any, Any, Any], answer: Answer, wanted: GenerateInput, *, in_list: bool = False
) -> Response[bytes]:
    body = whole_generation(await whole(request, answer), wanted)
    return json_response([body] if in_list else body, answer)
