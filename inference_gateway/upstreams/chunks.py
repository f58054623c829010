"""What an OpenAI-compatible server answers, streamed or whole, read strictly and quickly."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from inference_gateway.contract import ChatDelta, ToolCallDelta, Usage
from inference_gateway.errors import UpstreamBroken
from inference_gateway.upstreams.text import finish_reason

END = b"[DONE]"
MAX_LINE_BYTES = 4 * 1024 * 1024
BYTES_PER_TOKEN = 3
"""Of an answer whose server tells no usage; on the careful side."""


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


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: tuple[_Call, ...] | None = None


class _WholeChoice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Chunk(msgspec.Struct):
    model: str | None = None
    choices: tuple[_Choice, ...] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


class _Completion(msgspec.Struct):
    choices: Annotated[tuple[_WholeChoice, ...], msgspec.Meta(min_length=1)]
    model: str | None = None
    usage: _Usage | None = None


_decoder = msgspec.json.Decoder(_Chunk)
_whole_decoder = msgspec.json.Decoder(_Completion)


class EventData:
    """Takes a stream of server-sent events as it comes, and returns the data of those that are whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that end in `piece`; raises `UpstreamBroken` on a line beyond reason."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise UpstreamBroken("The generation server's answer cannot be read: a line is too long.")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]


def delta_of(event: bytes, model: str) -> ChatDelta:
    """Return the piece that an event tells; raises `UpstreamBroken` when it cannot be read or tells of an error."""
    try:
        chunk = _decoder.decode(event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamBroken(f"The generation server's answer cannot be read: {type(error).__name__}.") from None
    if chunk.error is not None and chunk.error != b"null":
        raise UpstreamBroken("The generation server reports an error of its own.")
    usage = _counted(chunk.usage)
    if not chunk.choices:
        return ChatDelta(usage=usage, model=chunk.model or model)
    choice = chunk.choices[0]
    return ChatDelta(
        text=choice.delta.content or "",
        tool_calls=tuple([_call_piece(call, 0) for call in choice.delta.tool_calls or ()]),
        finish_reason=finish_reason(choice.finish_reason),
        usage=usage,
        model=chunk.model or model,
    )


def whole_of(body: bytes, model: str) -> ChatDelta:
    """Return a whole answer as one piece, made of as many as it has tokens; raises `UpstreamBroken` as `delta_of` does."""
    try:
        answer = _whole_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamBroken(f"The generation server's answer cannot be read: {type(error).__name__}.") from None
    choice, usage = answer.choices[0], _counted(answer.usage)
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


def _counted(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    return Usage(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens)


def _call_piece(call: _Call, place: int) -> ToolCallDelta:
    function = call.function
    return ToolCallDelta(
        index=place if call.index is None else call.index,
        id=call.id or "",
        name=function.name or "",
        arguments=function.arguments or "",
    )
