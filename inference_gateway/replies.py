"""What the gateway's client writes and reads on the wire: OpenAI's shapes with Lyceum's few additions."""

import base64
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from inference_gateway.contract import (
    AnswerFacts,
    CacheOutcome,
    ChatDelta,
    ChatRequest,
    FinishReason,
    ToolCallDelta,
    Usage,
)
from inference_gateway.errors import GatewayError, GatewayUnavailable, UpstreamBroken, error_for
from inference_gateway.rows import floats_of

T = TypeVar("T")


class ReplyUsage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int = 0


class EmbeddingItem(msgspec.Struct, frozen=True, kw_only=True):
    embedding: str


class EmbeddingReply(msgspec.Struct, frozen=True, kw_only=True):
    data: list[EmbeddingItem]
    model: str
    revision: str
    usage: ReplyUsage


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    revision: str = ""
    dimensions: int = 0
    languages: tuple[str, ...] = ()
    max_tokens: int = 0


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ModelCard]


class FunctionPiece(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    arguments: str = ""


class CallPiece(msgspec.Struct, frozen=True, kw_only=True):
    index: int = 0
    id: str = ""
    function: FunctionPiece = FunctionPiece()


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    content: str | None = None
    tool_calls: tuple[CallPiece, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Of a chat completion, with a `delta`, or of a continued text."""

    delta: Delta | None = None
    text: str | None = None
    finish_reason: FinishReason | None = None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    message: str = ""
    code: str | None = None


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    model: str = ""
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    error: ErrorBody | None = None


class ErrorReply(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's error, or a problem document."""

    error: ErrorBody | None = None
    type: str = ""
    detail: str = ""

    @property
    def told(self) -> ErrorBody:
        """What either says."""
        return self.error or ErrorBody(message=self.detail, code=self.type.rpartition("/")[2].replace("-", "_"))


def decode_vector(encoded: str) -> list[float]:
    """Return the numbers of the row that `encoded` holds in base64."""
    return floats_of(base64.b64decode(encoded))


def chat_body(request: ChatRequest) -> bytes:
    """Return the body of a streamed chat completion, or of a completion of the raw prompt, that reports its usage."""
    optional = {
        "messages": request.messages,
        "prompt": request.prompt,
        "top_p": request.top_p,
        "seed": request.seed,
        "model": request.model,
        "stop": request.stop,
        "adapter": request.adapter,
        "tools": request.tools,
        "cache_scope": request.cache_scope,
        "cache_documents": request.cache_documents,
    }
    fields: dict[str, Any] = {name: value for name, value in optional.items() if value not in (None, "", ())}
    fields |= {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        fields["tool_choice"] = request.tool_choice
    if request.json_schema is not None:
        fields["response_format"] = response_format(request.json_schema)
    return msgspec.json.encode(fields)


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's way to ask for JSON that fits `schema`."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def deltas_of(event: bytes) -> list[ChatDelta]:
    """Return the pieces of one event; raises the error that an error event tells of, or `UpstreamBroken`."""
    try:
        chunk = msgspec.json.decode(event, type=Chunk)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamBroken("An event of the stream cannot be read.") from error
    if chunk.error is not None:
        raise error_for(chunk.error.code or "upstream_broken", 0)(chunk.error.message)
    if not chunk.choices:
        return [ChatDelta(usage=chunk.usage, model=chunk.model)] if chunk.usage else []
    return [_delta(choice, chunk) for choice in chunk.choices]


def facts_of(headers: Mapping[str, str]) -> AnswerFacts:
    """Return what the headers of an answer tell (`wire/facts.py` writes them)."""
    outcomes: dict[str, CacheOutcome] = {"hit": "hit", "miss": "miss"}
    return AnswerFacts(
        model=headers.get("x-lyceum-model", ""),
        degraded=headers.get("x-lyceum-degraded") == "true",
        cache=outcomes.get(headers.get("x-lyceum-cache", ""), "bypass"),
        adapter=headers.get("x-lyceum-adapter", ""),
        remaining_tokens=_number(headers.get("ratelimit-remaining-tokens")),
        remaining_requests=_number(headers.get("ratelimit-remaining")),
        reset_seconds=_number(headers.get("ratelimit-reset")),
    )


def _delta(choice: Choice, chunk: Chunk) -> ChatDelta:
    if choice.delta is None and choice.text is None:
        raise UpstreamBroken("An event of the stream cannot be read.")
    told = choice.delta or Delta(content=choice.text)
    return ChatDelta(
        text=told.content or "",
        tool_calls=tuple([_call(piece) for piece in told.tool_calls]),
        finish_reason=choice.finish_reason,
        usage=chunk.usage,
        model=chunk.model,
    )


def _call(piece: CallPiece) -> ToolCallDelta:
    return ToolCallDelta(index=piece.index, id=piece.id, name=piece.function.name, arguments=piece.function.arguments)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def read_reply(content: bytes, kind: type[T]) -> T:
    """Decode an answer of status 200; raises `GatewayUnavailable` when it is not one."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayUnavailable("The gateway's answer cannot be read.") from error


def error_of(status: int, content: bytes, retry_after: str) -> GatewayError:
    """Return the error that an answer other than 200 tells of."""
    try:
        body = msgspec.json.decode(content, type=ErrorReply).told
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = ErrorBody(message=f"The gateway answered {status}.")
    seconds = int(retry_after) if retry_after.isdigit() else None
    return error_for(body.code or "", status)(body.message, retry_after_seconds=seconds)
