"""The outermost layer, one for everything: request id, headers, metrics, trace and one access line per request."""

import asyncio
import time
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind

from backend.kit.ratelimit import Admission
from ops.runtime.context import accept_request_id, new_request_id, request_id
from ops.runtime.logging import get_logger
from ops.runtime.settings import Settings
from ops.runtime.telemetry import GoldenSignals, extract_traceparent, tracer

log = get_logger("backend.access")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
QUIET_PATHS = ("/health/", "/metrics", "/static/")
UNMATCHED = "unmatched"

HTTP_REQUESTS = GoldenSignals("http_requests")
WEBSOCKETS = GoldenSignals("websockets")


def security_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers every answer carries unless its handler set them itself."""
    headers = {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    if settings.base_url.startswith("https:"):
        headers["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class Edge:
    """Wraps the whole application, so that answers no route gave (404, 405) carry the same headers."""

    def __init__(self, app: ASGIApp, settings: Settings, draining: asyncio.Event) -> None:
        self.app = app
        self._draining = draining
        self._headers = security_headers(settings)
        self._tracer = tracer(__name__) if settings.otel_exporter_otlp_endpoint else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or WebSocket."""
        raw = {name: value for name, value in scope["headers"] if name in (b"x-request-id", b"traceparent")}
        sent = raw.get(b"x-request-id")
        identifier = accept_request_id(sent.decode("latin-1")) if sent else new_request_id()
        request_id.set(identifier)
        exchange = _Exchange(self._headers, identifier, scope, send, self._draining)
        signals = HTTP_REQUESTS if scope["type"] == ScopeType.HTTP else WEBSOCKETS
        signals.started()
        started_at = time.perf_counter()
        try:
            if self._tracer is None:
                await self.app(scope, receive, exchange.send)
            else:
                await self._traced(scope, receive, exchange, raw.get(b"traceparent", b"").decode("latin-1"))
        finally:
            took = time.perf_counter() - started_at
            operation = f"{scope.get('method', 'WEBSOCKET')} {scope.get('path_template') or UNMATCHED}"
            signals.ended(operation, str(exchange.status), took, failed=exchange.status >= 500)
            if not scope["path"].startswith(QUIET_PATHS):
                _log_access(scope, operation, exchange.status, took)

    async def _traced(self, scope: Scope, receive: Receive, exchange: "_Exchange", traceparent: str) -> None:
        assert self._tracer is not None
        context = extract_traceparent(traceparent)
        with self._tracer.start_as_current_span(
            str(scope.get("method", "WEBSOCKET")), context, SpanKind.SERVER
        ) as span:
            await self.app(scope, receive, exchange.send)
            span.update_name(f"{scope.get('method', 'WEBSOCKET')} {scope.get('path_template') or UNMATCHED}")
            span.set_attribute("http.response.status_code", exchange.status)


class _Exchange:
    """The way out of one answer. 499 is the status of a request whose answer never began."""

    __slots__ = ("_draining", "_headers", "_identifier", "_pending", "_scope", "_send", "status")

    def __init__(
        self, headers: list[tuple[bytes, bytes]], identifier: str, scope: Scope, send: Send, draining: asyncio.Event
    ) -> None:
        self._draining = draining
        self._headers = headers
        self._identifier = identifier
        self._scope = scope
        self._send = send
        self._pending: Any = None
        self.status = 499 if scope["type"] == ScopeType.HTTP else 101

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._completed(list(message["headers"]))
            self._pending = self._scope["state"].get("pending_answer")
        elif message["type"] == "websocket.close":
            self.status = message.get("code", 1000)
        if self._pending is None:
            await self._send(message)
        else:
            await self._pending.record(message, self._send)

    def _completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        headers.extend(pair for pair in self._headers if pair[0] not in present)
        headers.append((b"x-request-id", self._identifier.encode()))
        if b"cache-control" not in present and self._scope.get("user") is not None:
            headers.append((b"cache-control", b"no-store"))
        if self._draining.is_set():
            headers.append((b"connection", b"close"))
        admission: Admission | None = self._scope["state"].get("admission")
        if admission is not None:
            headers.extend(pair for pair in admission.headers() if pair[0] not in present)
        return headers


def _log_access(scope: Scope, operation: str, status: int, took_seconds: float) -> None:
    subject: Any = scope.get("user")
    log.info(
        "request_served",
        operation=operation,
        status=status,
        took_ms=round(took_seconds * 1000, 2),
        user_id=str(subject.user_id) if subject is not None else None,
    )
