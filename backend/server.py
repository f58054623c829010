"""uvicorn as Lyceum runs it, and a stop that lets work in progress end."""

import asyncio
import gc
import math
import signal
import socket
import time
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn

from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.settings import Settings

if TYPE_CHECKING:
    from litestar import Litestar

log = get_logger(__name__)

MAX_FRAME_BYTES = 65_536
NOTICE_SECONDS = 1.0
DRAIN_SECONDS = 15
KEEP_ALIVE_SECONDS = 75
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class DrainingServer(uvicorn.Server):
    """Stops in two steps, so that no request is lost on a connection that is about to be closed.

    For a second after the signal everything is still served, but `app.state.draining` is set: readiness says no, streams end,
    WebSockets are closed with 1012, and each answer says `Connection: close`, so that its sender goes elsewhere. Then uvicorn
    takes no new connection and waits up to 15 s for requests in progress. A second signal cuts the first step short; the
    process ends with status 0.
    """

    def __init__(self, config: uvicorn.Config, draining: asyncio.Event) -> None:
        super().__init__(config)
        self._draining = draining
        self._close_at = math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and take what was loaded out of the collector's sight: walking it costs 100 ms each time."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """React to SIGTERM and SIGINT. uvicorn's own reaction would raise the signal again when all is done."""
        del frame
        if self._draining.is_set():
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True
            return
        self._draining.set()
        self._close_at = time.monotonic() + NOTICE_SECONDS

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether to stop serving."""
        self.should_exit = self.should_exit or time.monotonic() >= self._close_at
        return await super().on_tick(counter)


def bind_address(settings: Settings) -> str:
    """Return the address to listen on: loopback, unless people reach the process from elsewhere."""
    public_host = urlsplit(settings.base_url).hostname or LOOPBACK
    return LOOPBACK if settings.env == "development" and public_host in LOOPBACK_NAMES else "0.0.0.0"  # noqa: S104


def server_config(app: "Litestar", settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration.

    `LYCEUM_TRUSTED_PROXIES` lists the addresses or networks, separated by commas, whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed. Without it the peer of the connection is the client: behind a proxy that is not
    listed, all people share the proxy's address and with it the limit on sign-ins.
    """
    return uvicorn.Config(
        app,
        host=bind_address(settings),
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def run_server(app: "Litestar", settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure_logging("api", settings.log_level)
    log.info("api_starting", port=settings.port, environment=settings.env)
    DrainingServer(server_config(app, settings), app.state.draining).run()
