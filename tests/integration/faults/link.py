"""A TCP link between a process and one of its servers that the test breaks and mends."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

PIECE_BYTES = 65536
CALL_SECONDS = 10

Fault = Literal["refuse", "stall", "half-open"]
FAULTS: tuple[Fault, ...] = ("refuse", "stall", "half-open")


class Link:
    """Forwards connections to its own `port` to 127.0.0.1:`target`, in a thread of its own.

    refuse: all connections are reset, nobody listens.
    stall: connections open, nothing goes through in either direction; what waited arrives when the link is mended.
    half-open: the connections there are swallow everything, as after the other end lost its power; new ones work.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._servers_side: set[asyncio.StreamWriter] = set()
        self._swallowing: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """Cut everything."""
        self._call(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)

    def fail(self, fault: Fault) -> None:
        """Break the link."""
        self._call({"refuse": self._refuse, "stall": self._stall, "half-open": self._half_open}[fault]())

    def mend(self) -> None:
        """Let everything through again."""
        self._call(self._mend())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _stall(self) -> None:
        self._flows.clear()

    async def _half_open(self) -> None:
        self._swallowing |= self._writers - self._servers_side
        for writer in list(self._servers_side):
            writer.transport.abort()

    async def _mend(self) -> None:
        self._flows.set()
        if self._server is None:
            await self._listen()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flows.wait()
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(upstream)
            self._servers_side.add(upstream)
            back = asyncio.create_task(self._forward(upstream_reader, writer))
            await self._forward(reader, upstream)
            if writer not in self._swallowing:
                await back
            while writer in self._swallowing and await reader.read(PIECE_BYTES):
                continue
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            self._swallowing.discard(writer)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                await self._flows.wait()
                writer.write(piece)
                await writer.drain()
        if writer in self._swallowing:
            return
        self._writers.discard(writer)
        self._servers_side.discard(writer)
        writer.close()


@contextmanager
def linked(target: int) -> Iterator[Link]:
    """A working link for the duration of the block."""
    link = Link(target)
    link.start()
    try:
        yield link
    finally:
        link.stop()
