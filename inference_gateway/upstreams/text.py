"""`/v1/completions` of an OpenAI-compatible server, for raw prompts: `huggingface_hub` has no call for it."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from inference_gateway.adapters.names import served_as
from inference_gateway.contract import ChatDelta, ChatRequest, FinishReason, Usage
from inference_gateway.errors import RequestRefused, UpstreamBroken
from inference_gateway.replies import event_data
from inference_gateway.upstreams.faults import by_status, upstream_faults
from inference_gateway.upstreams.transport import Connections

_FINISH_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
}


class _Choice(msgspec.Struct):
    text: str | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Chunk(msgspec.Struct):
    model: str = ""
    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


def finish_reason(told: str | None) -> FinishReason | None:
    """Return the gateway's word for why a server ended; one that is not known counts as `stop`."""
    return None if told is None else _FINISH_REASONS.get(told, "stop")


async def stream_text(connections: Connections, request: ChatRequest, model: str) -> AsyncGenerator[ChatDelta, None]:
    """Stream the continuation of `request.prompt`; raises as `Upstream.stream` does."""
    if request.json_schema is not None:
        raise RequestRefused("This generation server holds only conversations to a schema.", pointer="/grammar")
    url = f"{connections.base_url}/v1/completions"
    headers = {**connections.plain_headers(), "content-type": "application/json"}
    with upstream_faults():
        async with (
            connections.http() as http,
            http.stream("POST", url, content=_body(request, model), headers=headers) as response,
        ):
            if not response.is_success:
                raise by_status(response)
            async for event in event_data(response.aiter_bytes()):
                if event == b"[DONE]":
                    return
                yield _delta(event, model)


def _body(request: ChatRequest, model: str) -> bytes:
    wanted = {
        "model": served_as(request.adapter) or model,
        "prompt": request.prompt,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop or None,
        "seed": request.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return msgspec.json.encode({name: value for name, value in wanted.items() if value is not None})


def _delta(event: bytes, model: str) -> ChatDelta:
    try:
        chunk = _decoder.decode(event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UpstreamBroken("The generation server's answer cannot be read.") from None
    if chunk.error is not None:
        raise UpstreamBroken("The generation server reports an error of its own.")
    usage = None
    if chunk.usage is not None:
        usage = Usage(prompt_tokens=chunk.usage.prompt_tokens, completion_tokens=chunk.usage.completion_tokens)
    choice = chunk.choices[0] if chunk.choices else _Choice()
    return ChatDelta(
        text=choice.text or "",
        finish_reason=finish_reason(choice.finish_reason),
        usage=usage,
        model=chunk.model or model,
    )
