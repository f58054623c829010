"""What an OpenAI-compatible server answers, streamed or whole, read strictly and quickly."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

import msgspec

from inference_gateway.contract import ChatDelta, FinishReason, ToolCallDelta, Usage
from inference_gateway.errors import UpstreamBroken

END = b"[DONE]"
BYTES_PER_TOKEN = 3
"""Of an answer whose server tells no usage; on the careful side."""

_FINISH_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
}

T = TypeVar("T")
C = TypeVar("C")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    function: _Function
    index: int | None = None
    id: str | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: tuple[_Call, ...] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    finish_reason: str | None = None


class _TextChoice(msgspec.Struct):
    text: str | None = None
    finish_reason: str | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: tuple[_Call, ...] | None = None


class _WholeChoice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, Generic[C]):
    model: str | None = None
    choices: tuple[C, ...] | None = None
    usage: Usage | None = None
    error: msgspec.Raw | None = None


class _Completion(msgspec.Struct):
    choices: Annotated[tuple[_WholeChoice, ...], msgspec.Meta(min_length=1)]
    model: str | None = None
    usage: Usage | None = None


_decoder = msgspec.json.Decoder(_Chunk[_Choice])
_text_decoder = msgspec.json.Decoder(_Chunk[_TextChoice])
_whole_decoder = msgspec.json.Decoder(_Completion)


def finish_reason(told: str | None) -> FinishReason | None:
    """Return the gateway's word for why a server ended; one that is not known counts as `stop`."""
    return None if told is None else _FINISH_REASONS.get(told, "stop")


def delta_of(event: bytes, model: str) -> ChatDelta:
    """Return the piece that an event tells; raises `UpstreamBroken` when it cannot be read or tells of an error."""
    chunk = _unbroken(_read(_decoder, event))
    if not chunk.choices:
        return ChatDelta(usage=chunk.usage, model=chunk.model or model)
    choice = chunk.choices[0]
    return ChatDelta(
        text=choice.delta.content or "",
        tool_calls=tuple([_call_piece(call, 0) for call in choice.delta.tool_calls or ()]),
        finish_reason=finish_reason(choice.finish_reason),
        usage=chunk.usage,
        model=chunk.model or model,
    )


def text_delta_of(event: bytes, model: str) -> ChatDelta:
    """Return the piece of a continued text that an event tells; raises as `delta_of` does."""
    chunk = _unbroken(_read(_text_decoder, event))
    choice = chunk.choices[0] if chunk.choices else _TextChoice()
    return ChatDelta(
        text=choice.text or "",
        finish_reason=finish_reason(choice.finish_reason),
        usage=chunk.usage,
        model=chunk.model or model,
    )


def whole_of(body: bytes, model: str) -> ChatDelta:
    """Return a whole answer as one piece, made of as many as it has tokens; raises `UpstreamBroken` as `delta_of` does."""
    answer = _read(_whole_decoder, body)
    choice, usage = answer.choices[0], answer.usage
    text = choice.message.content or ""
    return ChatDelta(
        text=text,
        tool_calls=tuple([_call_piece(call, place) for place, call in enumerate(choice.message.tool_calls or ())]),
        finish_reason=finish_reason(choice.finish_reason),
        usage=usage,
        model=answer.model or model,
        pieces=usage.completion_tokens if usage is not None else max(1, len(text.encode()) // BYTES_PER_TOKEN),
    )


def joined(deltas: Sequence[ChatDelta]) -> ChatDelta:
    """Return one piece in place of several that came together; its `pieces` tells of how many it is made."""
    if len(deltas) == 1:
        return deltas[0]
    return ChatDelta(
        text="".join([delta.text for delta in deltas]),
        tool_calls=tuple(call for delta in deltas for call in delta.tool_calls),
        finish_reason=next((delta.finish_reason for delta in reversed(deltas) if delta.finish_reason), None),
        usage=next((delta.usage for delta in reversed(deltas) if delta.usage), None),
        model=deltas[-1].model,
        pieces=sum(delta.pieces for delta in deltas if delta.text or delta.tool_calls),
    )


def _read(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamBroken(f"The generation server's answer cannot be read: {type(error).__name__}.") from None


def _unbroken(chunk: _Chunk[C]) -> _Chunk[C]:
    if chunk.error is not None and chunk.error != b"null":
        raise UpstreamBroken("The generation server reports an error of its own.")
    return chunk


def _call_piece(call: _Call, place: int) -> ToolCallDelta:
    function = call.function
    return ToolCallDelta(
        index=place if call.index is None else call.index,
        id=call.id or "",
        name=function.name or "",
        arguments=function.arguments or "",
    )
