"""`POST /v1/chat/completions`: OpenAI's shape, whole or streamed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.response import Stream

from inference_gateway.caller import Caller
from inference_gateway.contract import (
    GENERATE_PURPOSE,
    MAX_COMPLETION_TOKENS,
    MAX_MESSAGES,
    ChatDelta,
    ChatMessage,
    ChatRequest,
    FinishReason,
    Usage,
)
from inference_gateway.errors import GatewayError, RequestRefused
from inference_gateway.generation import Generation
from inference_gateway.wire.answers import fault_of, openai_error
from inference_gateway.wire.auth import purposes
from inference_gateway.wire.body import read_body
from inference_gateway.wire.chunks import Chunks, completion, data_event
from inference_gateway.wire.disconnect import while_connected
from ops.runtime.logging import get_logger
from ops.runtime.tokens import ServiceClaims

log = get_logger(__name__)

DEFAULT_COMPLETION_TOKENS = 512
MAX_SCHEMA_BYTES = 65_536

Messages = Annotated[tuple[ChatMessage, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]
StopText = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Stops = Annotated[tuple[StopText, ...], msgspec.Meta(max_length=4)]
TokenCount = Annotated[int, msgspec.Meta(ge=1, le=MAX_COMPLETION_TOKENS)]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's options of a stream."""

    include_usage: bool = False


class TextFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """Any text."""


class JsonFormat(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json_object"
):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's named schema; it is held to in any case, so `strict` makes no difference."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="json_schema"
):
    """JSON that fits a schema."""

    json_schema: JsonSchema


class ChatInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's request, as far as it is served; any other field is refused rather than ignored."""

    messages: Messages
    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    stop: StopText | Stops | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    response_format: TextFormat | JsonFormat | JsonSchemaFormat | None = None
    n: Literal[1] = 1
    user: str | None = None


_decoder = msgspec.json.Decoder(ChatInput)


@post("/v1/chat/completions", status_code=200, opt=purposes(GENERATE_PURPOSE))
async def create_chat_completion(
    request: Request[Any, Any, Any], generation: NamedDependency[Generation]
) -> Response[bytes] | Stream:
    """Continue a conversation; an error before the first piece has its own status, a later one is an event."""
    wanted = await read_body(request, _decoder)
    claims: ServiceClaims = request.state.claims
    answer = generation.open(_chat_request(wanted, claims), Caller.of(claims))
    if wanted.stream:
        first = await while_connected(request, anext(answer.deltas))
        include_usage = wanted.stream_options is not None and wanted.stream_options.include_usage
        return Stream(
            _events(first, answer.deltas, include_usage),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    body = await while_connected(request, _whole(answer.deltas))
    return Response(content=msgspec.json.encode(body), media_type="application/json")


def _chat_request(wanted: ChatInput, claims: ServiceClaims) -> ChatRequest:
    stop = (wanted.stop,) if isinstance(wanted.stop, str) else wanted.stop or ()
    return ChatRequest(
        messages=wanted.messages,
        max_tokens=wanted.max_completion_tokens or wanted.max_tokens or DEFAULT_COMPLETION_TOKENS,
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        stop=stop,
        seed=wanted.seed,
        model=wanted.model,
        json_schema=_schema(wanted.response_format),
        tenant_id=claims.tenant_id,
        user_id=claims.user_id,
    )


def _schema(wanted: TextFormat | JsonFormat | JsonSchemaFormat | None) -> dict[str, Any] | None:
    if isinstance(wanted, JsonFormat):
        return {"type": "object"}
    if not isinstance(wanted, JsonSchemaFormat):
        return None
    schema = wanted.json_schema.schema
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        raise RequestRefused(
            f"A schema may have {MAX_SCHEMA_BYTES} bytes.", pointer="/response_format/json_schema/schema"
        )
    return schema


async def _events(
    first: ChatDelta, deltas: AsyncGenerator[ChatDelta, None], include_usage: bool
) -> AsyncGenerator[bytes, None]:
    chunks = Chunks(first.model)
    usage = first.usage
    async with aclosing(deltas):
        yield chunks.opening()
        try:
            yield chunks.of(first)
            async for delta in deltas:
                usage = delta.usage or usage
                yield chunks.of(delta)
        except GatewayError as error:
            log.warning("generation_broke_off", code=error.code)
            yield data_event(openai_error(fault_of(error)))
            return
        if include_usage and usage is not None:
            yield chunks.closing(usage)
        yield b"data: [DONE]\n\n"


async def _whole(deltas: AsyncGenerator[ChatDelta, None]) -> dict[str, Any]:
    texts: list[str] = []
    model = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    async with aclosing(deltas):
        async for delta in deltas:
            texts.append(delta.text)
            model = delta.model or model
            finish_reason = delta.finish_reason or finish_reason
            usage = delta.usage or usage
    return completion(model, "".join(texts), finish_reason, usage)
