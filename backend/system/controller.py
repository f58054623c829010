"""Health, metrics, the OpenAPI document and its two readers."""

import asyncio
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get

from backend.kit.http import declared_routes, permission, public
from backend.system.openapi import Operation, complete
from ops.runtime.health import HealthRegistry, HealthReport
from ops.runtime.telemetry import METRICS_CONTENT_TYPE, render_metrics

READER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lyceum API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">{style}</head>
<body><main id="docs"></main>
<script src="/static/vendor/{library}"></script><script src="/static/docs/{start}"></script></body></html>
"""
SWAGGER = READER.format(
    style='<link rel="stylesheet" href="/static/vendor/swagger-ui/swagger-ui.css">',
    library="swagger-ui/swagger-ui-bundle.js",
    start="swagger.js",
)
REDOC = READER.format(style="", library="redoc/redoc.standalone.js", start="redoc.js")
# Both readers write style elements of their own, and redoc searches in a worker; scripts stay ours alone.
READER_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)

AnyRequest = Request[Any, Any, Any]


@get("/health/live", opt=public(), include_in_schema=False)
async def live() -> dict[str, str]:
    """Tell that the process runs its event loop."""
    return {"status": "live"}


@get("/health/ready", opt=public(), include_in_schema=False)
async def ready(request: AnyRequest) -> Response[HealthReport | dict[str, str]]:
    """Tell whether the process can work, and name what is down or loading."""
    draining: asyncio.Event = request.app.state.draining
    if draining.is_set():
        return Response({"status": "draining"}, status_code=503, headers={"Retry-After": "5"})
    registry: HealthRegistry = request.app.state.health
    report = await registry.run()
    return Response(report, status_code=200 if report.ready else 503)


@get("/metrics", opt=permission("ops.read", open_on_this_machine=True), include_in_schema=False)
async def metrics() -> Response[bytes]:
    """Return this process's metrics for Prometheus: to a scraper on this machine, or with an operator's access token."""
    return Response(render_metrics(), headers={"content-type": METRICS_CONTENT_TYPE})


@get("/openapi.json", opt=public(), include_in_schema=False)
async def openapi_document(request: AnyRequest) -> Response[bytes]:
    """Return the OpenAPI 3.1 document."""
    state = request.app.state
    if "openapi_document" not in state:
        state.openapi_document = await asyncio.to_thread(build_document, request.app)
    return Response(state.openapi_document, media_type=MediaType.JSON)


@get("/docs", opt=public(), include_in_schema=False, media_type=MediaType.HTML)
async def docs() -> Response[str]:
    """Show the API in Swagger UI."""
    return Response(SWAGGER, media_type=MediaType.HTML, headers={"content-security-policy": READER_POLICY})


@get("/redoc", opt=public(), include_in_schema=False, media_type=MediaType.HTML)
async def redoc() -> Response[str]:
    """Show the API in Redoc."""
    return Response(REDOC, media_type=MediaType.HTML, headers={"content-security-policy": READER_POLICY})


def build_document(app: Litestar) -> bytes:
    """Return the OpenAPI document as JSON: what Litestar generates, completed."""
    operations = {
        (method.lower(), route.path): Operation(signed_in=route.access.signed_in, permission=route.access.permission)
        for route in declared_routes(app)
        if route.access is not None
        for method in route.methods
    }
    return msgspec.json.encode(complete(app.openapi_schema.to_schema(), operations))


controllers = [live, ready, metrics, openapi_document, docs, redoc]
