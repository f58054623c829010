"""The engine process as the HTTP process sees it."""

import asyncio
import itertools
import multiprocessing
import socket
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from ops.local.vectors.channel import LENGTH, Call, Reply, frame, parse_reply
from ops.local.vectors.worker import run_worker

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class EngineStartError(Exception):
    """The engine could not open its folder; the message says why."""


class EngineGoneError(Exception):
    """The engine process has ended."""


class EngineProcess:
    """Starts the engine on construction, so that a folder it cannot have is known before any port is opened.

    It forks: construct it before there are threads or an event loop.

    Raises:
        EngineStartError: the folder is taken or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._connection, theirs = socket.socketpair()
        self._process = multiprocessing.get_context("fork").Process(
            target=_child, args=(folder, theirs, self._connection), name="vectors-engine"
        )
        self._process.start()
        theirs.close()
        self._wait_until_ready()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether calls can be answered."""
        return self._reading is not None and not self._reading.done()

    async def attach(self, when_gone: Callable[[], None]) -> None:
        """Join the running event loop; `when_gone` is called if the engine ends by itself."""
        reader, self._writer = await asyncio.open_connection(sock=self._connection)
        self._reading = asyncio.create_task(self._read(reader))
        self._reading.add_done_callback(lambda task: None if task.cancelled() else when_gone())

    async def call(self, operation: str, collection: str = "", body: bytes = b"") -> Reply:
        """Run one operation.

        Raises:
            EngineGoneError: the engine ended before it answered.
        """
        if not self.alive or self._writer is None:
            raise EngineGoneError("the engine process has ended")
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._writer.write(frame(Call(number, operation, collection, body)))
            await self._writer.drain()
            return await future
        except ConnectionError as error:
            raise EngineGoneError("the engine process has ended") from error
        finally:
            del self._waiting[number]

    async def detach(self) -> None:
        """Leave the event loop; the closed channel tells the engine to flush and end."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()

    def stop(self) -> bool:
        """Wait until the engine has closed its files; True if it ended well."""
        self._connection.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return self._process.exitcode == 0

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                reply = parse_reply(await reader.readexactly(length))
                future = self._waiting.get(reply.number)
                if future is not None and not future.done():
                    future.set_result(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(EngineGoneError("the engine process has ended"))

    def _wait_until_ready(self) -> None:
        self._connection.settimeout(START_SECONDS)
        try:
            (length,) = LENGTH.unpack(self._receive(LENGTH.size))
            reply = parse_reply(self._receive(length))
        except (OSError, EOFError) as error:
            self._process.kill()
            self._process.join()
            raise EngineStartError("the vector engine did not start") from error
        if reply.status != HTTPStatus.OK:
            self._process.join()
            raise EngineStartError(reply.body.decode())
        self._connection.setblocking(False)

    def _receive(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            chunk = self._connection.recv(count - len(received))
            if not chunk:
                raise EOFError
            received += chunk
        return received


def _child(folder: Path, connection: socket.socket, parents: socket.socket) -> None:
    parents.close()
    run_worker(folder, connection)
