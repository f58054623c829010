"""Requests at a steady rate whatever the server does, each timed from the moment it was due (no coordinated omission).

A bare HTTP/1.1 client on a few kept-alive connections: on a busy machine a heavier one would measure itself.
"""

import asyncio
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.bench.site import Person, Site

CONNECTIONS = 8
CONTENT_LENGTH = b"content-length: "


class SteadyRequests:
    """`GET path` at `per_second`, by people in turn, from entry to exit; `took_ms` grows meanwhile."""

    def __init__(self, site: Site, path: str, per_second: float) -> None:
        self.took_ms: list[float] = []
        self._address = urlsplit(site.url)
        self._requests = [_request(self._address.netloc, path, person) for person in site.campus.learners]
        self._period = 1 / per_second
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._pending: set[asyncio.Task[None]] = set()
        self._pacing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(await asyncio.open_connection(self._address.hostname, self._address.port))
        self._pacing = asyncio.create_task(self._pace())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._pacing is not None
        self._pacing.cancel()
        await asyncio.gather(self._pacing, return_exceptions=True)
        await asyncio.gather(*self._pending)
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()

    async def _pace(self) -> None:
        started, number = time.perf_counter(), 0
        while True:
            due = started + number * self._period
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._one(self._requests[number % len(self._requests)], due))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            number += 1

    async def _one(self, request: bytes, due: float) -> None:
        reader, writer = await self._idle.get()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        at = head.index(CONTENT_LENGTH) + len(CONTENT_LENGTH)
        await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        self.took_ms.append((time.perf_counter() - due) * 1000)
        self._idle.put_nowait((reader, writer))


def _request(host: str, path: str, person: Person) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {person.token}\r\n\r\n".encode()
