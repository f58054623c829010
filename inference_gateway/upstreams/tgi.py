"""Text Generation Inference on its own wire: `/generate_stream`, with the prompt laid out by the server's own template.

Tools alone go by its `/v1/chat/completions`, where the server holds the answer to their schemas.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
import msgspec

from inference_gateway.adapters.names import served_as
from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest, FinishReason, Tool, Usage
from inference_gateway.errors import RequestRefused
from inference_gateway.toolcalls import may_call
from inference_gateway.transcript import transcript
from inference_gateway.upstreams.faults import by_status, text_of, upstream_faults
from inference_gateway.upstreams.health import get_health
from inference_gateway.upstreams.openai import OpenAIUpstream
from inference_gateway.upstreams.protocol import TextToken, Tokenized
from inference_gateway.upstreams.transport import Connections

SERVED_MODEL = "tgi"
"""The name that means the base model; TGI reads any other as that of an adapter."""

_FINISH_REASONS: dict[str, FinishReason] = {"length": "length"}
T = TypeVar("T")
_BEGINNINGS = ("<|begin_of_text|>", "<bos>", "<s>")


class _Templated(msgspec.Struct):
    templated_text: str | None = None


class _ChatTokens(msgspec.Struct):
    tokenize_response: tuple[TextToken, ...]
    templated_text: str | None = None


class TgiUpstream:
    """One TGI server, with the adapters it was started with. `model` is the name that callers see of its only model."""

    def __init__(self, connections: Connections, model: str) -> None:
        self.model = model
        self._connections = connections

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a generation; TGI wants a temperature above 0 or none at all."""
        if may_call(request):
            async with aclosing(self._stream_calls(request)) as deltas:
                async for delta in deltas:
                    yield delta
            return
        with upstream_faults():
            async with self._connections.inference_client() as client:
                prompt = request.prompt if request.prompt is not None else await self._prompt(request.messages)
                pieces = await client.text_generation(
                    prompt,
                    model=f"{self._connections.base_url}/generate_stream",
                    stream=True,
                    details=True,
                    max_new_tokens=request.max_tokens,
                    do_sample=request.temperature > 0,
                    temperature=request.temperature or None,
                    top_p=request.top_p if request.top_p is not None and request.top_p < 1 else None,
                    stop=list(request.stop) or None,
                    seed=request.seed,
                    adapter_id=served_as(request.adapter) or None,
                    grammar=None if request.json_schema is None else {"type": "json", "value": request.json_schema},
                    return_full_text=False,
                )
                async for piece in pieces:
                    yield self._delta(piece)

    async def tokenize(self, request: ChatRequest) -> Tokenized:
        """Pass the text, or the conversation, to the server's own tokenizer."""
        if request.prompt is not None:
            tokens = await self._ask("/tokenize", {"inputs": request.prompt}, tuple[TextToken, ...])
            return Tokenized(tokens=tokens)
        told = await self._ask("/chat_tokenize", _conversation(request.messages), _ChatTokens)
        return Tokenized(tokens=told.tokenize_response, templated_text=told.templated_text)

    async def check(self) -> None:
        """Ask `/health`, which makes TGI run its model when it was idle."""
        await get_health(self._connections, "/health")

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def _stream_calls(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream text or calls; the server says `stop` after a call too, and wants a schema of each tool's arguments."""
        if request.json_schema is not None:
            raise RequestRefused(
                "An answer is held to a schema or may call tools, not both.", pointer="/response_format"
            )
        whole_tools = msgspec.structs.replace(request, tools=tuple(_with_parameters(tool) for tool in request.tools))
        called = False
        async with aclosing(OpenAIUpstream(self._connections, SERVED_MODEL).stream(whole_tools)) as deltas:
            async for delta in deltas:
                called = called or bool(delta.tool_calls)
                reason = "tool_calls" if called and delta.finish_reason == "stop" else delta.finish_reason
                yield msgspec.structs.replace(delta, model=self.model, finish_reason=reason)

    async def _ask(self, path: str, body: dict[str, Any], kind: type[T]) -> T:
        with upstream_faults():
            return _read(await self._post(path, body), kind)

    async def _prompt(self, messages: Sequence[ChatMessage]) -> str:
        """Let the server apply its model's chat template; a model without one gets a plain transcript."""
        reply = await self._post("/chat_tokenize", _conversation(messages))
        if reply.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
            return transcript(messages)
        text = _read(reply, _Templated).templated_text
        return without_beginning(text) if text else transcript(messages)

    async def _post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        async with self._connections.http() as http:
            url, headers = f"{self._connections.base_url}{path}", self._connections.plain_headers()
            return await http.post(url, json=body, headers=headers)

    def _delta(self, piece: Any) -> ChatDelta:
        text = "" if piece.token.special else text_of(piece.token.text)
        if piece.details is None:
            return ChatDelta(text=text, model=self.model)
        usage = Usage(prompt_tokens=piece.details.input_length or 0, completion_tokens=piece.details.generated_tokens)
        reason = _FINISH_REASONS.get(piece.details.finish_reason, "stop")
        return ChatDelta(text=text, finish_reason=reason, usage=usage, model=self.model)


def _conversation(messages: Sequence[ChatMessage]) -> dict[str, Any]:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    return {"model": SERVED_MODEL, "messages": turns}


def _read(reply: httpx2.Response, kind: type[T]) -> T:
    if not reply.is_success:
        raise by_status(reply)
    return msgspec.json.decode(reply.content, type=kind)


def _with_parameters(tool: Tool) -> Tool:
    if tool.function.parameters is not None:
        return tool
    function = msgspec.structs.replace(tool.function, parameters={"type": "object", "properties": {}})
    return msgspec.structs.replace(tool, function=function)


def without_beginning(text: str) -> str:
    """Drop the beginning-of-text token that a template writes: `/generate_stream` adds its own."""
    for beginning in _BEGINNINGS:
        text = text.removeprefix(beginning)
    return text
