"""What an OpenAI-compatible server streams, read strictly and quickly."""

from collections.abc import Sequence

import msgspec

from inference_gateway.contract import ChatDelta, ToolCallDelta, Usage
from inference_gateway.errors import UpstreamBroken
from inference_gateway.upstreams.text import finish_reason

END = b"[DONE]"
MAX_LINE_BYTES = 4 * 1024 * 1024


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


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Chunk(msgspec.Struct):
    model: str | None = None
    choices: tuple[_Choice, ...] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


_decoder = msgspec.json.Decoder(_Chunk)


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
    usage = None
    if chunk.usage is not None:
        usage = Usage(prompt_tokens=chunk.usage.prompt_tokens, completion_tokens=chunk.usage.completion_tokens)
    if not chunk.choices:
        return ChatDelta(usage=usage, model=chunk.model or model)
    choice = chunk.choices[0]
    return ChatDelta(
        text=choice.delta.content or "",
        tool_calls=tuple(_call_piece(call) for call in choice.delta.tool_calls or ()),
        finish_reason=finish_reason(choice.finish_reason),
        usage=usage,
        model=chunk.model or model,
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


def _call_piece(call: _Call) -> ToolCallDelta:
    function = call.function
    return ToolCallDelta(
        index=call.index or 0, id=call.id or "", name=function.name or "", arguments=function.arguments or ""
    )
