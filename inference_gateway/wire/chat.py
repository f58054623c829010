"""`POST /v1/chat/completions`: OpenAI's shape, whole or streamed."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.response import Stream

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE
from inference_gateway.generation import Generation
from inference_gateway.wire.answering import json_response, streamed, whole
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.chat_input import ChatInput, chat_request
from inference_gateway.wire.chunks import ChatChunks, chat_completion

_decoder = msgspec.json.Decoder(ChatInput)


@post("/v1/chat/completions", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def create_chat_completion(
    request: Request[Any, Any, Any], generation: NamedDependency[Generation]
) -> Response[bytes] | Stream:
    """Continue a conversation; an error before the first piece has its own status, a later one is an event."""
    wanted = await read_body(request, _decoder)
    answer = generation.open(chat_request(wanted), Caller.of(request.state.claims))
    if wanted.stream:
        return await streamed(request, answer, lambda model: ChatChunks(model, wanted.wants_usage))
    return json_response(chat_completion(await whole(request, answer)), answer)
