"""`python -m tests.bench.quick_upstream PORT`: an OpenAI-compatible server that costs next to nothing.

Answers have as many pieces as `max_tokens` asks for. They come at once, unless the conversation says `Slowly`: then one
comes every `SECONDS_PER_PIECE`, and is the moment of the system's monotonic clock at which it was written; or `Thoughtfully`:
then the answer comes as a whole after `THINKING_SECONDS`.
"""

import asyncio
import json
import re
import sys
import time
from functools import lru_cache
from typing import cast

import uvloop

SECONDS_PER_PIECE = 0.125
THINKING_SECONDS = 0.05
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TOKENS = re.compile(rb'"max_tokens": *(\d+)')
_STREAM = re.compile(rb'"stream": *true')
_USAGE = re.compile(rb'"include_usage": *true')
_HEAD = {"id": "chatcmpl-0123456789abcdef", "created": 1_790_000_000, "model": "tutor"}
_OPENING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client; its requests come one after the other."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.WriteTransport
        self._slow: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Write no more."""
        if self._slow is not None:
            self._slow.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._received += data
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        length = _LENGTH.search(self._received, 0, end)
        if len(self._received) < end + (int(length[1]) if length else 0):
            return
        head, body, self._received = self._received[:end], self._received[end:], b""
        self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST"):
            self._transport.write(_document({"object": "list", "data": [{"id": "tutor", "object": "model"}]}))
            return
        wanted = _TOKENS.search(body)
        tokens = int(wanted[1]) if wanted else 16
        if b"Thoughtfully" in body:
            asyncio.get_running_loop().call_later(THINKING_SECONDS, self._transport.write, _whole(tokens))
        elif not _STREAM.search(body):
            self._transport.write(_whole(tokens))
        elif b"Slowly" in body:
            self._slow = asyncio.ensure_future(self._write_slowly(tokens))
        else:
            self._transport.write(_streamed(tokens, _USAGE.search(body) is not None))

    async def _write_slowly(self, tokens: int) -> None:
        self._transport.write(_OPENING + _chunk(_piece({"role": "assistant", "content": ""})))
        for _ in range(tokens):
            await asyncio.sleep(SECONDS_PER_PIECE)
            self._transport.write(_chunk(_piece({"content": f" {time.monotonic():.6f}"})))
        self._transport.write(_chunk(_piece({}, "stop")) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


@lru_cache
def _whole(tokens: int) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": " word" * tokens}, "finish_reason": "stop"}
    return _document({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _usage(tokens)})


@lru_cache
def _streamed(tokens: int, with_usage: bool) -> bytes:
    pieces = [
        _piece({"role": "assistant", "content": ""}),
        *[_piece({"content": " word"})] * tokens,
        _piece({}, "stop"),
    ]
    if with_usage:
        pieces.append(_event({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _usage(tokens)}))
    return _OPENING + b"".join(_chunk(piece) for piece in [*pieces, b"data: [DONE]\n\n"]) + b"0\r\n\r\n"


def _piece(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({**_HEAD, "object": "chat.completion.chunk", "choices": [choice]})


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 100, "completion_tokens": tokens, "total_tokens": 100 + tokens}


def _event(content: object) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _document(content: object) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


async def serve(port: int) -> None:
    """Serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
