"""Litestar's WebSocket for those who know nothing of Litestar."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from backend.kit.http.browser import BrowserProtection
from backend.kit.sockets import FOREIGN_ORIGIN, Closed, Gone, Socket

AnySocket = WebSocket[Any, Any, Any]


class _Socket:
    def __init__(self, socket: AnySocket) -> None:
        self._socket = socket

    async def receive(self) -> str:
        try:
            return await self._socket.receive_text()
        except WebSocketDisconnect as error:
            raise Gone from error

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise Gone from error


async def serve_socket(socket: AnySocket, serve: Callable[[Socket], Awaitable[Closed | None]]) -> None:
    """Accept a socket of our own pages or of no browser, and close it as `serve` says; None when the other end has."""
    protection: BrowserProtection = socket.app.state.protection
    await socket.accept()
    if protection.is_own_origin(socket) is False:
        await socket.close(FOREIGN_ORIGIN, "foreign origin")
        return
    closed = await serve(_Socket(socket))
    if closed is not None:
        await socket.close(closed.code, closed.reason)
