"""The whole application in the test's own event loop, on real servers, and clients that are signed in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar

from backend.app import assemble, equip
from backend.kit.ratelimit import RateLimits
from backend.kit.subject import Subject
from db.engine import ping
from db.errors import DatabaseUnavailable
from ops.runtime.settings import Settings
from tests import campus

START_SECONDS = 15.0
_assembled: list[Litestar] = []
"""Applications that nobody runs now: five hundred routes are put together once, not for each test."""
NO_LIMITS = RateLimits(**dict.fromkeys(RateLimits.__struct_fields__, 100_000))


@dataclass(frozen=True)
class Api:
    """The application and a client of nobody."""

    app: Litestar
    settings: Settings
    public: httpx.AsyncClient

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client of its own, with its own cookies."""
        return client(self.app, **headers)

    async def signed_in(self, subject: Subject) -> httpx.AsyncClient:
        """A client with that person's access token."""
        opened = await campus.sign_in(subject.user_id)
        return self.client(authorization=f"Bearer {opened.tokens().access_token}")


def client(app: Litestar, **headers: str) -> httpx.AsyncClient:
    """A client that calls the application directly."""
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers)


@asynccontextmanager
async def running(
    database_url: str,
    redis_url: str,
    *,
    limits: RateLimits | None = NO_LIMITS,
    controllers: list[Any] | None = None,
    **others: Any,
) -> AsyncIterator[Api]:
    """Run the application, or the given controllers of it, from start to shutdown.

    Vectors and gateway are addresses where nobody answers unless `others` says more about the settings.
    """
    nobody = "http://127.0.0.1:9"
    given = {"gateway_url": nobody, "qdrant_url": nobody, "object_store_url": "memory://", "broker_url": redis_url}
    settings = campus.settings_for(database_url, redis_url, **(given | others))
    ready = _assembled if controllers is None else []
    app = equip(ready.pop() if ready else assemble(controllers), settings, limits=limits)
    async with _lifespan(app), client(app) as public:
        await _until_the_database_is_there()
        yield Api(app, settings, public)
    ready.append(app)


async def _until_the_database_is_there() -> None:
    """A busy machine opens the pool later than an api process waits for it before it begins without."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                return await ping()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    """Start and stop in one task, as a server does; fixtures of pytest begin and end in different ones."""
    started, stop = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    server = asyncio.create_task(serve())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if started.is_set():
            yield
    finally:
        stop.set()
        waiting.cancel()
        await server


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document of an answer that must be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    return document
