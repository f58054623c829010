"""`POST /v1/completions`: raw text continued, in OpenAI's older shape."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.response import Stream

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, ChatRequest
from inference_gateway.generation import Generation
from inference_gateway.wire.answering import json_response, streamed, whole
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.chunks import TextChunks, text_completion
from inference_gateway.wire.fields import OpenAIInput, Prompt

DEFAULT_COMPLETION_TOKENS = 16
"""OpenAI's own default on this path."""


class CompletionInput(OpenAIInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's request, as far as it is served: one prompt, as text."""

    prompt: Prompt | Annotated[tuple[Prompt, ...], msgspec.Meta(min_length=1, max_length=1)]
    best_of: Literal[1] = 1


_decoder = msgspec.json.Decoder(CompletionInput)


@post("/v1/completions", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def create_completion(
    request: Request[Any, Any, Any], generation: NamedDependency[Generation]
) -> Response[bytes] | Stream:
    """Continue a text; errors as in a chat completion."""
    wanted = await read_body(request, _decoder)
    answer = generation.open(_request(wanted), Caller.of(request.state.claims))
    if wanted.stream:
        return await streamed(request, answer, lambda model: TextChunks(model, wanted.wants_usage))
    return json_response(text_completion(await whole(request, answer)), answer)


def _request(wanted: CompletionInput) -> ChatRequest:
    return wanted.request(
        prompt=wanted.prompt if isinstance(wanted.prompt, str) else wanted.prompt[0],
        max_tokens=wanted.max_tokens or DEFAULT_COMPLETION_TOKENS,
    )
