"""The gateway's process: puts the parts together and serves them."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from inference_gateway.adapters.serving import serving_from
from inference_gateway.engines.protocol import Embedder, Reranker
from inference_gateway.engines.reranking.slot import NoReranker
from inference_gateway.generation import Generation
from inference_gateway.ports import Ports
from inference_gateway.routing.build import router_from
from inference_gateway.stores import open_stores
from inference_gateway.upstreams.encoders import embedder_from, reranker_from
from inference_gateway.wire.answers import answer_error
from inference_gateway.wire.auth import token_guard
from inference_gateway.wire.body import MAX_BODY_BYTES
from inference_gateway.wire.outermost import Outermost
from inference_gateway.wire.routes import ROUTES
from ops.runtime.crypto import decode_key
from ops.runtime.health import HealthRegistry
from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.settings import Settings, SettingsError
from ops.runtime.telemetry import configure_telemetry, shutdown_telemetry
from ops.runtime.tokens import ServiceTokens

log = get_logger(__name__)

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - only where GATEWAY_URL names another host; every route but health needs a token
EMBEDDER_CHECK_SECONDS = 5.0
GENERATION_CHECK_SECONDS = 5.0
KEEP_ALIVE_SECONDS = 75
"""Longer than the client keeps an idle connection, so that the server is never the first to close."""

SHUTDOWN_SECONDS = 10
DRAIN_LOOK_SECONDS = 0.05
LAST_WORDS_SECONDS = 2
"""Before the end of the grace, what still flows is ended with an error of its own, and has so long to be sent."""


Stores = Callable[[Ports], AbstractAsyncContextManager[Ports]]


def create_app(
    tokens: ServiceTokens,
    slot: Embedder,
    generation: Generation,
    stores: Stores = nullcontext,
    reranker: Reranker | None = None,
) -> Outermost:
    """Return the ASGI application; its lifespan starts and stops the parts, `stores` opens what stands behind the ports."""
    health = HealthRegistry()
    health.add("embedder", slot.check, timeout_seconds=EMBEDDER_CHECK_SECONDS)
    if reranker is not None:
        health.add("reranker", reranker.check, required=False, timeout_seconds=EMBEDDER_CHECK_SECONDS)
    ranking = reranker or NoReranker()
    if generation.model is not None:
        health.add("generation", generation.check, required=False, timeout_seconds=GENERATION_CHECK_SECONDS)
    if generation.loads:
        health.add("generation_loaded", generation.settled)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with stores(generation.ports) as generation.ports:
            slot.start()
            ranking.start()
            generation.start()
            try:
                yield
            finally:
                await slot.aclose()
                await ranking.aclose()
                await generation.close()

    parts: dict[str, Any] = {"slot": slot, "reranker": ranking, "generation": generation, "health": health}
    return Outermost(
        Litestar(
            route_handlers=ROUTES,
            dependencies={name: _provide(part) for name, part in parts.items()},
            guards=[token_guard(tokens)],
            exception_handlers={Exception: answer_error},
            lifespan=[lifespan],
            state=State({"generation": generation}),
            openapi_config=None,
            logging_config=None,
            request_max_body_size=MAX_BODY_BYTES,
        )
    )


class Server(uvicorn.Server):
    """Lets answers flow on when the process is told to stop, and tells their readers when there is no time left.

    Whoever asks for another meanwhile is still heard, and told to ask elsewhere (503).
    """

    def __init__(self, config: uvicorn.Config, generation: Generation) -> None:
        super().__init__(config)
        self._generation = generation

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop within `SHUTDOWN_SECONDS`; a second SIGINT does not wait."""
        until = time.monotonic() + SHUTDOWN_SECONDS
        self._generation.drain()
        last_words_at = until - LAST_WORDS_SECONDS
        while self._generation.answers and time.monotonic() < last_words_at and not self.force_exit:  # noqa: ASYNC110 - a flag
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        self._generation.end()
        self.config.timeout_graceful_shutdown = max(LAST_WORDS_SECONDS, round(until - time.monotonic()))
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Run the gateway in the foreground until SIGTERM or SIGINT.

    Raises:
        SettingsError: `GATEWAY_URL` names no port, or `LYCEUM_SERVICE_KEY` is missing.
    """
    configure_logging("gateway", settings.log_level)
    configure_telemetry("gateway", settings)
    if not settings.service_key:
        raise SettingsError("the gateway needs LYCEUM_SERVICE_KEY (32 random bytes, base64)")
    adapters = serving_from(settings)
    generation = Generation(router_from(settings, supply=adapters.supply if adapters is not None else None))
    app = create_app(
        tokens=ServiceTokens(decode_key(settings.service_key)),
        slot=embedder_from(settings),
        generation=generation,
        stores=lambda unset: open_stores(settings, unset, adapters),
        reranker=reranker_from(settings),
    )
    config = uvicorn.Config(
        app,
        host=listening_address(settings.gateway_url),
        port=_port(settings.gateway_url),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    # uvicorn raises the signal again when it is done; without a handler that would end us before the last spans are sent.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    Server(config, generation).run()
    shutdown_telemetry()


def listening_address(url: str) -> str:
    """Return what to bind: the loopback address alone, unless `GATEWAY_URL` gives others a name to reach this host by."""
    return LOOPBACK if (urlsplit(url).hostname or LOOPBACK) in LOOPBACK_NAMES else EVERY_ADDRESS


def _provide(part: Any) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise SettingsError("GATEWAY_URL must name the port the gateway listens on, e.g. http://127.0.0.1:8001")
    return port
