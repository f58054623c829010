"""`POST /v1/completions`: raw text continued, in OpenAI's older shape."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.response import Stream

from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, MAX_PROMPT_CHARACTERS, ChatRequest
from inference_gateway.generation import Generation
from inference_gateway.wire.answering import json_response, streamed, whole
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.chunks import TextChunks, text_completion
from inference_gateway.wire.fields import (
    AdapterId,
    Seed,
    Stops,
    StopText,
    StreamOptions,
    Temperature,
    TokenCount,
    TopP,
    model_of,
    stops_of,
)

DEFAULT_COMPLETION_TOKENS = 16
"""OpenAI's own default on this path."""

Prompt = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PROMPT_CHARACTERS)]


class CompletionInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's request, as far as it is served: one prompt, as text."""

    prompt: Prompt | Annotated[tuple[Prompt, ...], msgspec.Meta(min_length=1, max_length=1)]
    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stop: StopText | Stops | None = None
    seed: Seed | None = None
    adapter: AdapterId = ""
    n: Literal[1] = 1
    best_of: Literal[1] = 1
    user: str | None = None


_decoder = msgspec.json.Decoder(CompletionInput)


@post("/v1/completions", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def create_completion(
    request: Request[Any, Any, Any], generation: NamedDependency[Generation]
) -> Response[bytes] | Stream:
    """Continue a text; errors as in a chat completion."""
    wanted = await read_body(request, _decoder)
    answer = generation.open(_request(wanted), Caller.of(request.state.claims))
    if wanted.stream:
        include_usage = wanted.stream_options is not None and wanted.stream_options.include_usage
        return await streamed(request, answer, lambda model: TextChunks(model, include_usage))
    return json_response(text_completion(await whole(request, answer)), answer)


def _request(wanted: CompletionInput) -> ChatRequest:
    return ChatRequest(
        whole=not wanted.stream,
        prompt=wanted.prompt if isinstance(wanted.prompt, str) else wanted.prompt[0],
        max_tokens=wanted.max_tokens or DEFAULT_COMPLETION_TOKENS,
        temperature=1.0 if wanted.temperature is None else wanted.temperature,
        top_p=wanted.top_p,
        stop=stops_of(wanted.stop),
        seed=wanted.seed,
        model=model_of(wanted.model),
        adapter=wanted.adapter,
    )
