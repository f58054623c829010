"""Frames between the HTTP process and the engine process: four bytes of length, then a MessagePack array."""

import selectors
import socket
import struct
from collections.abc import Iterator
from http import HTTPStatus

import msgspec

LENGTH = struct.Struct("!I")
_CHUNK_BYTES = 1 << 18


class Call(msgspec.Struct, frozen=True, array_like=True):
    """An operation for the engine; `body` is the request's JSON."""

    number: int
    operation: str
    collection: str
    body: bytes


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The answer to the call of that number; `body` is the response's JSON."""

    number: int
    status: HTTPStatus
    body: bytes


def frame(message: Call | Reply) -> bytes:
    """Return the message as it goes over the wire."""
    encoded = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(encoded)) + encoded


def parse_reply(encoded: bytes) -> Reply:
    """Return the reply in a frame, its length taken off."""
    return msgspec.msgpack.decode(encoded, type=Reply)


class Inbox:
    """The engine's end of the channel. It reads without a thread: one would need the GIL just when the engine holds it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)

    def receive(self, timeout_seconds: float) -> list[Call]:
        """Return the calls that have arrived, waiting for one if there is none yet.

        Raises:
            EOFError: the other end is gone.
        """
        while self._selector.select(timeout_seconds):
            chunk = self._connection.recv(_CHUNK_BYTES)
            if not chunk:
                raise EOFError
            self._buffer += chunk
            timeout_seconds = 0
        return list(self._complete())

    def answer(self, reply: Reply) -> None:
        """Send a reply."""
        self._connection.sendall(frame(reply))

    def _complete(self) -> Iterator[Call]:
        start = 0
        while len(self._buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, start)
            end = start + LENGTH.size + length
            if len(self._buffer) < end:
                break
            yield msgspec.msgpack.decode(memoryview(self._buffer)[start + LENGTH.size : end], type=Call)
            start = end
        del self._buffer[:start]
