"""uvicorn as Lyceum runs it, and a stop that lets work in progress end."""

import asyncio
import gc
import socket
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
DRAIN_SECONDS = 20
KEEP_ALIVE_SECONDS = 75
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class DrainingServer(uvicorn.Server):
    """Sets `app.state.draining` as soon as a stop is asked for, so that streams end and readiness says no.

    uvicorn then takes no new connection, closes WebSockets with 1012 and waits up to 20 s for requests in progress.
    """

    def __init__(self, config: uvicorn.Config, draining: asyncio.Event) -> None:
        super().__init__(config)
        self._draining = draining

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and take what was loaded out of the collector's sight: walking it costs 100 ms each time."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """React to SIGTERM and SIGINT."""
        self._draining.set()
        super().handle_exit(sig, frame)


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
