"""OpenAI's chat completions: the hot path. Through `huggingface_hub` a request costs several times as much.

A contract test shows that both give the same answers and the same errors, whatever the server does. Pieces that come together go
on together: when there is much to do, less is done for each.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
import yarl

from inference_gateway.adapters.names import served_as
from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.errors import UpstreamBroken
from inference_gateway.events import EventData
from inference_gateway.replies import response_format
from inference_gateway.upstreams.chunks import END, delta_of, joined, whole_of
from inference_gateway.upstreams.exchange import Exchanges, Reply
from inference_gateway.upstreams.faults import of_status
from inference_gateway.upstreams.health import get_health
from inference_gateway.upstreams.text import stream_text
from inference_gateway.upstreams.transport import Connections

MAX_WHOLE_TOKENS = 512
"""A longer answer is streamed even where it is wanted whole, so that a slow server is told from a silent one."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
END_SECONDS = 0.1
"""How long the last bytes may take after the last event, so that the connection can be used again."""


class DirectUpstream:
    """A server that speaks OpenAI's chat completions. Raw prompts and health checks go through `connections`."""

    def __init__(self, connections: Connections, model: str, connect_seconds: float) -> None:
        self.model = model
        self._connections = connections
        url = yarl.URL(f"{connections.base_url}/v1/chat/completions")
        self._exchanges = Exchanges(url, connect_seconds)
        self._head = _head(url, connections.plain_headers())

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a chat completion, or a completion where there is a raw prompt; a short one wanted whole is asked for so."""
        if request.prompt is not None:
            return stream_text(self._connections, request, self.model)
        short = request.max_tokens <= MAX_WHOLE_TOKENS
        return self._whole(request) if request.whole and short else self._chat(request)

    async def check(self) -> None:
        """Ask `/health`, and `/v1/models` where there is none."""
        await get_health(self._connections, "/health", "/v1/models")

    async def close(self) -> None:
        """Close the connections."""
        self._exchanges.close()
        await self._connections.close()

    async def _chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        events = EventData()
        async with self._exchanges.ask(self._request(request, stream=True)) as reply:
            _check_status(reply)
            while data := await reply.read():
                come = events.feed(data)
                ended = END in come
                for delta in _together(come[: come.index(END)] if ended else come, self.model):
                    yield delta
                if ended:
                    await _read_to_the_end(reply)
                    return

    async def _whole(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        async with self._exchanges.ask(self._request(request, stream=False)) as reply:
            _check_status(reply)
            body = b""
            while data := await reply.read():
                body += data
                if len(body) > MAX_ANSWER_BYTES:
                    raise UpstreamBroken("The generation server's answer is too long.")
        yield whole_of(body, self.model)

    def _request(self, request: ChatRequest, *, stream: bool) -> bytes:
        body = _body(request, self.model, stream=stream)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


def _head(url: yarl.URL, headers: Mapping[str, str]) -> bytes:
    """Return the head of every request up to its length; raises `ValueError` for a header that would be two."""
    sent = {"Host": url.raw_authority, "Content-Type": "application/json", **headers}
    lines = [f"{name}: {value}" for name, value in sent.items() if value]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header has more than one line")
    return "\r\n".join([f"POST {url.raw_path_qs} HTTP/1.1", *lines, "Content-Length: "]).encode("latin-1")


def _check_status(reply: Reply) -> None:
    if reply.status != HTTPStatus.OK:
        raise of_status(reply.status, reply.retry_after)


async def _read_to_the_end(reply: Reply) -> None:
    with suppress(TimeoutError, UpstreamBroken):  # then the connection is closed, not used again
        async with asyncio.timeout(END_SECONDS):
            while await reply.read():
                pass


def _together(events: Sequence[bytes], model: str) -> Iterator[ChatDelta]:
    """Yield what came together as one piece, also when an error follows it."""
    deltas: list[ChatDelta] = []
    try:
        for event in events:
            deltas.append(delta_of(event, model))  # noqa: PERF401 - what is good before an error must be kept
    finally:
        if deltas:
            yield joined(deltas)


def _body(request: ChatRequest, model: str, *, stream: bool) -> bytes:
    wanted: dict[str, Any] = {
        "model": served_as(request.adapter) or model,
        "messages": request.messages,
        "stream": stream,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if stream:
        wanted["stream_options"] = {"include_usage": True}
    if request.top_p is not None:
        wanted["top_p"] = request.top_p
    if request.stop:
        wanted["stop"] = request.stop
    if request.seed is not None:
        wanted["seed"] = request.seed
    if request.json_schema is not None:
        wanted["response_format"] = response_format(request.json_schema)
    if request.tools:
        wanted["tools"] = request.tools
        wanted["tool_choice"] = request.tool_choice
    return msgspec.json.encode(wanted)
