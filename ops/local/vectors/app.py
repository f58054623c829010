"""HTTP: routes, the key, Qdrant's shape of errors. What the bodies mean is the engine's business."""

import hmac
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import uvicorn
from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler, get
from litestar.types import Guard

from ops.local.vectors.process import EngineGoneError, EngineProcess, EngineStartError
from ops.runtime.logging import configure_logging, get_logger
from ops.runtime.settings import Settings

API_VERSION = "1.20.0"
"""The release of Qdrant whose API is spoken; clients compare it with their own."""
MAX_BODY_BYTES = 32 * 1024 * 1024
DEFAULT_PORT = 6333
_JSON = "application/json"
_KEEP_ALIVE_SECONDS = 75
_MAX_CONNECTIONS = 512
_DRAIN_SECONDS = 20
_PROBES = frozenset({"/", "/healthz", "/livez", "/readyz"})

Method = Literal["GET", "PUT", "POST", "DELETE"]
_COLLECTION = "/collections/{name:str}"
_ROUTES: tuple[tuple[Method, str, str], ...] = (
    ("GET", "/collections", "list_collections"),
    ("GET", "/aliases", "list_aliases"),
    ("POST", "/collections/aliases", "change_aliases"),
    ("GET", _COLLECTION, "collection_info"),
    ("PUT", _COLLECTION, "create_collection"),
    ("DELETE", _COLLECTION, "delete_collection"),
    ("GET", f"{_COLLECTION}/exists", "collection_exists"),
    ("GET", f"{_COLLECTION}/aliases", "list_collection_aliases"),
    ("PUT", f"{_COLLECTION}/index", "create_index"),
    ("PUT", f"{_COLLECTION}/points", "upsert"),
    ("POST", f"{_COLLECTION}/points", "retrieve"),
    ("POST", f"{_COLLECTION}/points/delete", "delete"),
    ("POST", f"{_COLLECTION}/points/payload", "set_payload"),
    ("POST", f"{_COLLECTION}/points/count", "count"),
    ("POST", f"{_COLLECTION}/points/scroll", "scroll"),
    ("POST", f"{_COLLECTION}/points/query", "query"),
    ("POST", f"{_COLLECTION}/points/query/batch", "query_batch"),
)

log = get_logger("vectors")


def serve(settings: Settings) -> None:
    """Serve the folder `vectors` of the data folder on the address of `QDRANT_URL` until SIGTERM or SIGINT.

    Raises:
        SystemExit: the folder is taken or unreadable, the port is taken, or the engine failed; with a sentence.
    """
    configure_logging("vectors", settings.log_level)
    address = urlsplit(settings.qdrant_url)
    try:
        engine = EngineProcess(settings.data_dir / "vectors")
    except EngineStartError as error:
        raise SystemExit(f"The vector server cannot start: {error}") from error
    config = uvicorn.Config(
        create_app(engine, settings.qdrant_api_key),
        host=address.hostname or "127.0.0.1",
        port=address.port or DEFAULT_PORT,
        log_config=None,
        access_log=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    server = uvicorn.Server(config)

    # Uvicorn raises the signal again when it is done; without a handler that would end us before the engine has.
    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    try:
        server.run()
    finally:
        ended_well = engine.stop()
    if not server.started or not ended_well:
        raise SystemExit("The vector server failed; its log says why.")


def create_app(engine: EngineProcess, api_key: str) -> Litestar:
    """Return the application over a started engine; with an empty key everybody may call."""
    return Litestar(
        route_handlers=[_root, *_probes(engine), *(_route(engine, *route) for route in _ROUTES)],
        guards=[_key_guard(api_key)] if api_key else [],
        lifespan=[_attached(engine)],
        exception_handlers={HTTPException: _http_error, EngineGoneError: _gone, Exception: _unexpected},
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )


@get("/", sync_to_thread=False)
def _root() -> dict[str, str]:
    return {"title": "Lyceum's local vector server, speaking Qdrant's REST API", "version": API_VERSION}


def _probes(engine: EngineProcess) -> list[HTTPRouteHandler]:
    def probe() -> Response[str]:
        if engine.alive:
            return Response("all shards are ready", media_type="text/plain")
        return Response("the engine has ended", status_code=HTTPStatus.SERVICE_UNAVAILABLE, media_type="text/plain")

    return [get(["/healthz", "/livez", "/readyz"], sync_to_thread=False)(probe)]


def _route(engine: EngineProcess, method: Method, path: str, operation: str) -> HTTPRouteHandler:
    async def forward(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = request.path_params.get("name", "")
        reply = await engine.call(operation, name, await request.body())
        return Response(reply.body, status_code=reply.status, media_type=_JSON)

    return HTTPRouteHandler(path, http_method=method, name=operation, status_code=HTTPStatus.OK)(forward)


def _key_guard(api_key: str) -> Guard:
    expected = api_key.encode()

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        headers = connection.headers
        given = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if connection.url.path not in _PROBES and not hmac.compare_digest(given.encode(), expected):
            raise NotAuthorizedException("Must provide an API key or an Authorization bearer token")

    return guard


def _attached(engine: EngineProcess) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        def when_gone() -> None:
            log.error("engine_ended")
            os.kill(os.getpid(), signal.SIGTERM)

        await engine.attach(when_gone)
        log.info("vectors_ready")
        yield
        await engine.detach()

    return lifespan


def _error(status: int, text: str) -> Response[bytes]:
    body = msgspec.json.encode({"status": {"error": text}, "time": 0.0})
    return Response(body, status_code=status, media_type=_JSON)


def _http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return _error(error.status_code, error.detail)


def _gone(_request: Request[Any, Any, Any], error: EngineGoneError) -> Response[bytes]:
    return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"Service internal error: {error}")


def _unexpected(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request_failed", exc_info=error)
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "Service internal error")
