"""`/health` and `/metrics`."""

from litestar import Response, get
from litestar.di import NamedDependency

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE, METRICS_PURPOSE
from inference_gateway.wire.auth import PUBLIC, purposes
from inference_gateway.wire.documents import document
from ops.runtime.health import HealthRegistry
from ops.runtime.telemetry import METRICS_CONTENT_TYPE, render_metrics


@get("/health/live", opt=PUBLIC)
async def live() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "up"}


@get(["/health", "/health/ready"], opt=PUBLIC)
async def ready(health: NamedDependency[HealthRegistry]) -> Response[bytes]:
    """Tell whether the gateway can do its work, and how far the model is while it loads."""
    report = await health.run()
    return document(report) if report.ready else document(report, status=503, headers={"Retry-After": "2"})


@get("/metrics", opt=purposes(METRICS_PURPOSE, EMBED_PURPOSE, GENERATE_PURPOSE, open_on_this_machine=True))
async def metrics() -> Response[bytes]:
    """All metrics of this process for a Prometheus on this machine, or with a service token."""
    return Response(content=render_metrics(), media_type=METRICS_CONTENT_TYPE)
