"""One answer of the pipe told in a dialect: whole, or as server-sent events."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import msgspec
from litestar import Request, Response
from litestar.response import Stream
from litestar.types import HTTPResponseStartEvent, Receive, Send

from inference_gateway.contract import ChatDelta, FinishReason, ToolCall, Usage
from inference_gateway.errors import GatewayError
from inference_gateway.generation import Answer
from inference_gateway.toolcalls import joined
from inference_gateway.wire.body import JSON
from inference_gateway.wire.disconnect import ClientGone, while_connected, while_listening
from inference_gateway.wire.documents import document
from inference_gateway.wire.facts import fact_headers
from ops.runtime.logging import get_logger

log = get_logger(__name__)

EVENT_STREAM = "text/event-stream"
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PROBLEM = "problem"
"""Name of the event that follows the last good piece when there will be no more."""


class Dialect(Protocol):
    """How one wire tells an answer that streams; each method returns whole events, or nothing."""

    def opening(self) -> bytes:
        """Return what comes before the first piece."""

    def piece(self, delta: ChatDelta) -> bytes:
        """Return the event of one piece."""

    def closing(self, usage: Usage | None) -> bytes:
        """Return what follows the last piece."""

    def fault(self, error: GatewayError) -> bytes:
        """Return the event that tells, after the last good piece, why there is no more."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that has ended."""

    text: str
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


async def streamed(request: Request[Any, Any, Any], answer: Answer, dialect: Callable[[str], Dialect]) -> Stream:
    """Return the events in the dialect made for the model's name; what goes wrong before the first piece is raised."""
    first = await while_connected(request, anext(answer.deltas))
    return Stream(
        _events(first, answer.deltas, dialect(first.model)),
        media_type=EVENT_STREAM,
        headers={**STREAM_HEADERS, **fact_headers(answer.facts)},
    )


async def send_streamed(receive: Receive, send: Send, answer: Answer, dialect: Callable[[str], Dialect]) -> None:
    """Send what `streamed` returns, without its response object; a client that leaves cancels the upstream."""
    first = await while_listening(receive, anext(answer.deltas))
    headers = {**STREAM_HEADERS, **fact_headers(answer.facts)}
    await send(_head(f"{EVENT_STREAM}; charset=utf-8", headers))
    try:
        await while_listening(receive, _send_all(send, _events(first, answer.deltas, dialect(first.model))))
    except ClientGone:
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def whole(request: Request[Any, Any, Any], answer: Answer) -> Whole:
    """Wait for all of it; a client that leaves cancels the upstream."""
    return await wait_for_all(request.receive, answer)


async def wait_for_all(receive: Receive, answer: Answer) -> Whole:
    """As `whole`, for an ASGI application."""
    return await while_listening(receive, _gather(answer.deltas))


def json_response(content: object, answer: Answer) -> Response[bytes]:
    """Return a document with the answer's facts in the headers."""
    return document(content, headers=fact_headers(answer.facts))


async def send_json(send: Send, content: object, answer: Answer) -> None:
    """Send what `json_response` returns, without its response object."""
    body = msgspec.json.encode(content)
    await send(_head(JSON, {**fact_headers(answer.facts), "Content-Length": str(len(body))}))
    await send({"type": "http.response.body", "body": body, "more_body": False})


def data_event(content: object, name: str = "") -> bytes:
    """Return one server-sent event."""
    line = b"data: " + msgspec.json.encode(content) + b"\n\n"
    return b"event: " + name.encode() + b"\n" + line if name else line


def _head(media_type: str, headers: Mapping[str, str]) -> HTTPResponseStartEvent:
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type.encode()), *lines]}


async def _send_all(send: Send, events: AsyncGenerator[bytes, None]) -> None:
    async with aclosing(events):
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def _events(
    first: ChatDelta, deltas: AsyncGenerator[ChatDelta, None], dialect: Dialect
) -> AsyncGenerator[bytes, None]:
    usage = first.usage
    async with aclosing(deltas):
        yield dialect.opening() + dialect.piece(first)
        try:
            async for delta in deltas:
                usage = delta.usage or usage
                if event := dialect.piece(delta):
                    yield event
        except GatewayError as error:
            log.warning("generation_broke_off", code=error.code)
            yield dialect.fault(error)
            return
        if event := dialect.closing(usage):
            yield event


async def _gather(deltas: AsyncGenerator[ChatDelta, None]) -> Whole:
    async with aclosing(deltas):
        gathered = [delta async for delta in deltas]
    return Whole(
        text="".join([delta.text for delta in gathered]),
        model=next((delta.model for delta in reversed(gathered) if delta.model), ""),
        tool_calls=joined([piece for delta in gathered for piece in delta.tool_calls]),
        finish_reason=next((delta.finish_reason for delta in reversed(gathered) if delta.finish_reason), None),
        usage=next((delta.usage for delta in reversed(gathered) if delta.usage), None),
    )
