"""A uvicorn server in a thread: what all fake generation servers share."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.behaviours import Behaviour
from tests.fakes.uvicorn_thread import served

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Cut(Exception):
    """Raised inside a response to make uvicorn drop the connection."""


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Exchange:
    """One HTTP exchange from the server's side."""

    received: Received
    receive: Receive
    send: Send

    async def json(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with a JSON document."""
        await self.start(status, "application/json", headers)
        await self.send({"type": "http.response.body", "body": json.dumps(content).encode()})

    async def start(self, status: int, content_type: str, headers: dict[str, str] | None = None) -> None:
        """Send the head."""
        fields = {"content-type": content_type, **(headers or {})}
        pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the body."""
        await self.send({"type": "http.response.body", "body": b""})

    async def until_disconnect(self) -> None:
        """Wait for the client to leave."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass
class FakeServer:
    """A running fake. `behave` scripts the coming generations; without a script they are right."""

    url: str
    received: list[Received] = field(default_factory=list)
    disconnects: list[float] = field(default_factory=list)
    seconds_per_piece: float = 0.0
    _script: deque[Behaviour] = field(default_factory=deque)
    _always: Behaviour = "right"

    def behave(self, *behaviours: Behaviour) -> None:
        """Use these for the next generations, one each."""
        self._script.extend(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        """Use this for every generation without one of its own."""
        self._always = behaviour

    def next_behaviour(self) -> Behaviour:
        """Take the next behaviour off the script."""
        return self._script.popleft() if self._script else self._always

    def generations(self) -> list[Received]:
        """The requests that asked for text."""
        return [
            one for one in self.received if one.path in ("/v1/chat/completions", "/v1/completions", "/generate_stream")
        ]


Answer = Callable[[FakeServer, Exchange], Awaitable[None]]


@contextmanager
def serving(answer: Answer) -> Iterator[FakeServer]:
    """Serve `answer` on a free port of the loopback interface until the block ends."""
    fake = FakeServer("")
    with served(_app(fake, answer), lifespan="off") as url:
        fake.url = url
        yield fake


def _app(fake: FakeServer, answer: Answer) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        received = Received(scope["path"], headers, await _body(receive))
        fake.received.append(received)
        exchange = Exchange(received, receive, send)
        answering = asyncio.ensure_future(answer(fake, exchange))
        leaving = asyncio.ensure_future(exchange.until_disconnect())
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            fake.disconnects.append(time.monotonic())
        answering.cancel()
        leaving.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)
        if not answering.cancelled() and (error := answering.exception()) is not None:
            raise error

    return app


async def _body(receive: Receive) -> dict[str, Any]:
    content = b""
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body"):
            return json.loads(content) if content else {}
