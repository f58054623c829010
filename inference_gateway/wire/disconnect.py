"""Work that is worth nothing once the client has gone."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from litestar import Request

from inference_gateway.errors import GatewayError

T = TypeVar("T")


class ClientGone(GatewayError):
    """The client closed the connection before its answer was ready; nobody reads what is sent now."""

    code = "client_gone"
    status = 499


async def while_connected(request: Request[Any, Any, Any], work: Awaitable[T]) -> T:
    """Run `work`, and cancel it when the client disconnects. The body must have been read.

    Raises:
        ClientGone: the client left first.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
