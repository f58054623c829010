"""OpenAI's chat completions over aiohttp: the hot path. Through `huggingface_hub` a request costs several times as much.

A contract test shows that both give the same answers and the same errors, whatever the server does. Pieces that come together go
on together: when there is much to do, less is done for each.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import aiohttp
import msgspec
import yarl
from aiohappyeyeballs import AddrInfoType

from inference_gateway.adapters.names import served_as
from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.errors import GenerationUnavailable, UpstreamBroken
from inference_gateway.replies import response_format
from inference_gateway.upstreams.address import is_refused
from inference_gateway.upstreams.chunks import END, EventData, delta_of, joined, whole_of
from inference_gateway.upstreams.faults import RETRY_AFTER_SECONDS, of_status
from inference_gateway.upstreams.health import get_health
from inference_gateway.upstreams.text import stream_text
from inference_gateway.upstreams.transport import Connections

KEEP_ALIVE_SECONDS = 30.0
MAX_WHOLE_TOKENS = 512
"""A longer answer is streamed even where it is wanted whole, so that a slow server is told from a silent one."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
END_SECONDS = 0.1
"""How long the last bytes may take after the last event, so that the connection can be used again."""

_NOT_SENT = ("User-Agent", "Accept", "Accept-Encoding")


class DirectUpstream:
    """A server that speaks OpenAI's chat completions. Raw prompts and health checks go through `connections`."""

    def __init__(self, connections: Connections, model: str, connect_seconds: float) -> None:
        self.model = model
        self._connections = connections
        self._url = yarl.URL(f"{connections.base_url}/v1/chat/completions")
        self._headers = {"Content-Type": "application/json"}
        self._headers.update({name: value for name, value in connections.plain_headers().items() if value})
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._session: aiohttp.ClientSession | None = None

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
        if self._session is not None:
            await self._session.close()
        await self._connections.close()

    async def _chat(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        events = EventData()
        with _faults():
            async with self._asked(request, stream=True) as response:
                _check_status(response)
                async for data in response.content.iter_any():
                    come = events.feed(data)
                    ended = END in come
                    for delta in _together(come[: come.index(END)] if ended else come, self.model):
                        yield delta
                    if ended:
                        await _read_to_the_end(response)
                        return

    async def _whole(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        with _faults():
            async with self._asked(request, stream=False) as response:
                _check_status(response)
                body = bytearray()
                async for data in response.content.iter_any():
                    body += data
                    if len(body) > MAX_ANSWER_BYTES:
                        raise UpstreamBroken("The generation server's answer is too long.")
        yield whole_of(bytes(body), self.model)

    def _asked(self, request: ChatRequest, *, stream: bool) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._opened().post(self._url, data=_body(request, self.model, stream=stream), allow_redirects=False)

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session, which can only be made on an event loop. Permits bound its connections."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS, socket_factory=_socket_to
                ),
                headers=self._headers,
                skip_auto_headers=_NOT_SENT,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(),
            )
        return self._session


def _socket_to(address: AddrInfoType) -> socket.socket:
    """Return a socket for one address, unless no upstream may be there: what a name leads to is only known now."""
    family, kind, protocol, _name, place = address
    if is_refused(str(place[0])):
        raise OSError("the name leads to an address where no upstream may be")
    return socket.socket(family, kind, protocol)


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what aiohttp raises into errors of ours."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise GenerationUnavailable(
            f"The generation server cannot be reached: {type(error).__name__}.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from None
    except aiohttp.ClientError as error:
        raise UpstreamBroken(f"The generation server broke off: {type(error).__name__}.") from None


def _check_status(response: aiohttp.ClientResponse) -> None:
    if response.status != 200:
        raise of_status(response.status, response.headers.get("retry-after", ""))


async def _read_to_the_end(response: aiohttp.ClientResponse) -> None:
    if response.content.at_eof():
        return
    try:
        async with asyncio.timeout(END_SECONDS):
            await response.content.readany()
    except TimeoutError:
        return  # the connection is closed, not used again


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
