"""Servers that speak OpenAI's chat completions: vLLM, SGLang, llama.cpp, `transformers serve`, hosted ones."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from inference_gateway.adapters.names import served_as
from inference_gateway.contract import ChatDelta, ChatRequest, ToolCallDelta, Usage
from inference_gateway.replies import response_format
from inference_gateway.upstreams.chunks import finish_reason
from inference_gateway.upstreams.faults import text_of, upstream_faults
from inference_gateway.upstreams.health import get_health
from inference_gateway.upstreams.text import stream_text
from inference_gateway.upstreams.transport import Connections


class OpenAIUpstream:
    """`model` is sent as it is: TGI would read any other name than `tgi` as that of an adapter."""

    def __init__(self, connections: Connections, model: str) -> None:
        self.model = model
        self._connections = connections

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a chat completion, or a completion where there is a raw prompt."""
        if request.prompt is not None:
            async with aclosing(stream_text(self._connections, request, self.model)) as deltas:
                async for delta in deltas:
                    yield delta
            return
        with upstream_faults():
            async with self._connections.inference_client() as client:
                chunks = await client.chat_completion(
                    messages=msgspec.to_builtins(request.messages),
                    model=served_as(request.adapter) or self.model,
                    stream=True,
                    stream_options={"include_usage": True},
                    max_tokens=request.max_tokens,
                    temperature=request.temperature,
                    top_p=request.top_p,
                    stop=list(request.stop) or None,
                    seed=request.seed,
                    response_format=_wanted_format(request),
                    tools=msgspec.to_builtins(request.tools) or None,
                    tool_choice=msgspec.to_builtins(request.tool_choice) if request.tools else None,
                )
                async for chunk in chunks:
                    yield self._delta(chunk)

    async def check(self) -> None:
        """Ask `/health`, and `/v1/models` where there is none."""
        await get_health(self._connections, "/health", "/v1/models")

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    def _delta(self, chunk: Any) -> ChatDelta:
        usage = None
        if chunk.usage is not None:
            usage = Usage(prompt_tokens=chunk.usage.prompt_tokens, completion_tokens=chunk.usage.completion_tokens)
        model = chunk.model or self.model
        if not chunk.choices:
            return ChatDelta(usage=usage, model=model)
        choice = chunk.choices[0]
        text = text_of(choice.delta.content)
        return ChatDelta(
            text=text,
            tool_calls=tuple(_call_piece(call) for call in choice.delta.tool_calls or ()),
            finish_reason=finish_reason(choice.finish_reason),
            usage=usage,
            model=model,
        )


def _call_piece(call: Any) -> ToolCallDelta:
    function = call.function
    return ToolCallDelta(
        index=call.index or 0,
        id=text_of(call.id),
        name=text_of(function.name),
        arguments=text_of(function.arguments),
    )


class _Unread(dict[str, Any]):
    """`huggingface_hub` looks for a schema with `get` and rewrites it as TGI wants it, which no other server knows."""

    def get(self, _key: str, default: Any = None) -> Any:
        return default


def _wanted_format(request: ChatRequest) -> Any:
    return None if request.json_schema is None else _Unread(response_format(request.json_schema))
