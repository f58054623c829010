"""The outermost layer: request id from header to log and back, golden signals, one log line and one span a request."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from opentelemetry.trace import SpanKind

from ops.runtime.context import accept_request_id, bind_request
from ops.runtime.logging import get_logger
from ops.runtime.telemetry import GoldenSignals, extract_traceparent, tracer

log = get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

REQUEST_ID_HEADER = b"x-request-id"
TRACEPARENT_HEADER = b"traceparent"
OF_THE_CALLER = (REQUEST_ID_HEADER, TRACEPARENT_HEADER)
QUIET_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})

_signals = GoldenSignals("gateway_requests")
_tracer = tracer(__name__)


class Outermost:
    """Wraps the application, so that even a request that finds no route has an id and a log line."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {name: value.decode("latin-1") for name, value in scope["headers"] if name in OF_THE_CALLER}
        parent = given.get(TRACEPARENT_HEADER)
        with (
            bind_request(accept_request_id(given.get(REQUEST_ID_HEADER, ""))) as identifier,
            _tracer.start_as_current_span(
                scope["method"], extract_traceparent(parent) if parent else None, SpanKind.SERVER
            ) as span,
        ):
            await self._serve(scope, receive, send, identifier)
            span.update_name(f"{scope['method']} {scope.get('path_template') or 'unmatched'}")

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, identifier: str) -> None:
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID_HEADER, identifier.encode())]
            await send(message)

        started_at = time.perf_counter()
        _signals.started()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started_at
            route = scope.get("path_template") or "unmatched"
            failed = status == HTTPStatus.INTERNAL_SERVER_ERROR
            _signals.ended(f"{scope['method']} {route}", f"{status // 100}xx", seconds, failed=failed)
            if scope["path"] not in QUIET_PATHS:
                log.info("request", route=route, status=status, took_ms=round(seconds * 1000, 1))
