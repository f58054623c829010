"""Work that is worth nothing once the client has gone."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from litestar import Request
from litestar.types import Receive

from inference_gateway.errors import GatewayError

T = TypeVar("T")

UNWATCHED_SECONDS = 0.03
"""Most work is done before anybody has to look out for the client."""


class ClientGone(GatewayError):
    """The client closed the connection before its answer was ready; nobody reads what is sent now."""

    code = "client_gone"
    status = 499


class _Watch:
    """Cancels the task that made it when the client disconnects before `end`."""

    def __init__(self, receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        self.has_left = False
        self._receive = receive
        self._working = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._ended = False
        self._start = loop.call_later(UNWATCHED_SECONDS, self._begin)

    def end(self) -> None:
        """Look out no more."""
        self._ended = True
        self._start.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._ended and self._working is not None:
            self.has_left = True
            self._working.cancel()


async def while_connected(request: Request[Any, Any, Any], work: Awaitable[T]) -> T:
    """As `while_listening`, for a request to a route of Litestar's."""
    return await while_listening(request.receive, work)


async def while_listening(receive: Receive, work: Awaitable[T]) -> T:
    """Await `work`, and cancel it within a moment after the client disconnects. The body must have been read.

    Raises:
        ClientGone: the client left first.
    """
    watch = _Watch(receive)
    try:
        return await work
    except asyncio.CancelledError:
        working = asyncio.current_task()
        if watch.has_left and working is not None and working.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        watch.end()
