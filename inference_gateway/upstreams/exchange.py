"""HTTP/1.1 with one server, as little of it as generations need: kept connections, each with one exchange at a time.

A third of what aiohttp's client costs a request. llhttp parses (`httptools`, as in uvicorn).
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

import httptools
import yarl

from inference_gateway.errors import GenerationUnavailable, UpstreamBroken
from inference_gateway.upstreams.address import is_refused
from inference_gateway.upstreams.faults import RETRY_AFTER_SECONDS
from ops.runtime.tls import verification

KEEP_ALIVE_SECONDS = 30.0
HIGH_WATER_BYTES = 256 * 1024
MAX_HEAD_BYTES = 64 * 1024


class Reply(asyncio.Protocol):
    """A connection, and the answer that comes over it now. `status` and `retry_after` are known once `head` returns."""

    def __init__(self) -> None:
        self.status = 0
        self.retry_after = ""
        self.idle_since = 0.0
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = self._head_size = 0
        self._ended = True
        self._kept_by_server = self._lost = self._ends_with_connection = False
        self._fault: UpstreamBroken | None = None
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent."""
        return not self._lost and not self._transport.is_closing()

    @property
    def may_be_kept(self) -> bool:
        """Whether the answer came to its end and the server keeps the connection."""
        return self._ended and self._kept_by_server and self._fault is None and self.is_open

    def send(self, request: bytes) -> None:
        """Send a request; the answer before it has been read to its end."""
        self.status, self.retry_after = 0, ""
        self._head_size = 0
        self._ended = self._kept_by_server = False
        self._ends_with_connection = True
        self._transport.write(request)

    async def head(self) -> None:
        """Return when the head of the answer has come; raises `UpstreamBroken`."""
        while not self.status:
            await self._more()

    async def read(self) -> bytes:
        """Return what has come of the body, at least a byte, or nothing at its end; raises `UpstreamBroken`."""
        while not self._pieces:
            if self._ended:
                return b""
            await self._more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._size > HIGH_WATER_BYTES and not self._lost:
            self._transport.resume_reading()
        self._size = 0
        return data

    def close(self) -> None:
        """Break off; nothing more comes."""
        self._transport.abort()

    async def _more(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _break(self, why: str) -> None:
        self._fault = self._fault or UpstreamBroken(f"The generation server broke off: {why}.")
        self._transport.abort()
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse."""
        if self._ended:
            self._break("it says more than it was asked")
            return
        if not self.status:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES + HIGH_WATER_BYTES:
                self._break("its head is too long")
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(type(error).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer that nothing but this ends; any other one broke off."""
        self._lost = True
        if self.status and self._ends_with_connection and exc is None:
            self._ended = True
        elif not self._ended:
            self._fault = self._fault or UpstreamBroken("The generation server broke off: it closed the connection.")
        self._wake()

    def on_message_begin(self) -> None:
        """Refuse a second answer."""
        if self._ended:
            self._break("it says more than it was asked")
        self._ends_with_connection = True
        self.retry_after = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look at the few that matter."""
        name = name.lower()
        if name == b"retry-after":
            self.retry_after = value.decode("latin-1")
        elif name in (b"content-length", b"transfer-encoding"):
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        """Let `head` return."""
        status = self._parser.get_status_code()
        if self._fault is not None or status < HTTPStatus.OK:  # of an interim answer, the final one follows
            return
        self.status = status
        self._wake()

    def on_body(self, body: bytes) -> None:
        """Keep a piece; when nobody reads, let no more come."""
        if self._fault is not None:
            return
        before = self._size
        self._pieces.append(body)
        self._size += len(body)
        if before <= HIGH_WATER_BYTES < self._size:
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """Let `read` return the end."""
        if not self.status:
            return
        self._ended = True
        self._kept_by_server = self._parser.should_keep_alive()
        self._wake()


class Exchanges:
    """The connections to one server. Permits bound how many there are."""

    def __init__(self, url: yarl.URL, connect_seconds: float) -> None:
        self._host, self._port = url.raw_host or "", url.port or 0
        trusted = verification(str(url))
        self._tls = trusted if isinstance(trusted, ssl.SSLContext) else None
        self._connect_seconds = connect_seconds
        self._idle: deque[Reply] = deque()

    @asynccontextmanager
    async def ask(self, request: bytes) -> AsyncGenerator[Reply, None]:
        """Send a request and lend the reply; one that is not read to its end breaks the connection off.

        Raises:
            GenerationUnavailable: the server cannot be reached.
            UpstreamBroken: the connection ended before the answer did.
        """
        reply = self._kept() or await self._connect()
        try:
            reply.send(request)
            await reply.head()
            yield reply
        finally:
            if reply.may_be_kept:
                reply.idle_since = asyncio.get_running_loop().time()
                self._idle.append(reply)
            else:
                reply.close()

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Reply | None:
        """Return the connection used last, and let go of those that were idle for long."""
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            if (reply := self._idle.pop()).is_open:
                return reply
        return None

    async def _connect(self) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                transport, reply = await loop.create_connection(Reply, self._host, self._port)
                _check_peer(transport)
                if self._tls is not None:
                    secured = await loop.start_tls(transport, reply, self._tls, server_hostname=self._host)
                    reply.connection_made(cast(asyncio.Transport, secured))
        except (OSError, TimeoutError) as error:
            raise GenerationUnavailable(
                f"The generation server cannot be reached: {type(error).__name__}.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from None
        return reply


def _check_peer(transport: asyncio.Transport) -> None:
    """Look where a connection has ended up before anything is sent: what a name leads to is only known then."""
    peer = transport.get_extra_info("peername")
    if peer is None or is_refused(str(peer[0])):
        transport.abort()
        raise GenerationUnavailable(
            "The generation server cannot be reached: its name leads to an address where none may be.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
