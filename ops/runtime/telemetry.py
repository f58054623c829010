"""Metrics of the four golden signals for Prometheus, and traces over OTLP when an endpoint is set."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ops.runtime.settings import Settings

REGISTRY = CollectorRegistry(auto_describe=True)
METRICS_CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

LOOP_WATCH_SECONDS = 1.0

ProcessCollector(registry=REGISTRY)
EVENT_LOOP_LAG = Gauge("lyceum_event_loop_lag_seconds", "how late the event loop woke last", registry=REGISTRY)


class GoldenSignals:
    """Traffic, errors, latency (seconds) and saturation (things in flight) of one kind of work, e.g. `http_requests`.

    `operation` must come from a small fixed set (a route template, a job kind), never from what a caller sends.
    """

    def __init__(self, work: str, registry: CollectorRegistry = REGISTRY) -> None:
        self._total = Counter(
            f"lyceum_{work}_total", f"{work}: how many ended", ["operation", "outcome"], registry=registry
        )
        self._errors = Counter(f"lyceum_{work}_errors_total", f"{work}: our faults", ["operation"], registry=registry)
        self._seconds = Histogram(
            f"lyceum_{work}_seconds",
            f"{work}: time taken",
            ["operation"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge(f"lyceum_{work}_in_flight", f"{work}: running now", registry=registry)
        self._children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def started(self) -> None:
        """Count one more in flight."""
        self._in_flight.inc()

    def ended(self, operation: str, outcome: str, seconds: float, failed: bool = False) -> None:
        """Count the end of what `started` announced; `failed` marks a fault of ours."""
        self._in_flight.dec()
        key = (operation, outcome)
        if (children := self._children.get(key)) is None:
            children = (self._total.labels(operation, outcome), self._seconds.labels(operation))
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        if failed:
            self._errors.labels(operation).inc()

    @contextmanager
    def measure(self, operation: str) -> Iterator[None]:
        """Measure the block; it counts as `ok`, or as `error` when it raises."""
        self.started()
        started_at = time.perf_counter()
        try:
            yield
        except BaseException:
            self.ended(operation, "error", time.perf_counter() - started_at, failed=True)
            raise
        self.ended(operation, "ok", time.perf_counter() - started_at)


async def watch_event_loop() -> None:
    """Measure, until cancelled, how much later than asked this event loop wakes: the saturation of an async process."""
    while True:
        asked_at = time.perf_counter()
        await asyncio.sleep(LOOP_WATCH_SECONDS)
        EVENT_LOOP_LAG.set(max(0.0, time.perf_counter() - asked_at - LOOP_WATCH_SECONDS))


def render_metrics() -> bytes:
    """Return all metrics of this process in the Prometheus text format 0.0.4."""
    return generate_latest(REGISTRY)


def configure_telemetry(service: str, settings: Settings) -> None:
    """Export spans to `OTEL_EXPORTER_OTLP_ENDPOINT` when it is set. Call in each process, after any fork."""
    if not settings.otel_exporter_otlp_endpoint:
        return
    resource = Resource.create({"service.name": f"lyceum-{service}", "service.instance.id": f"{service}-{os.getpid()}"})
    provider = TracerProvider(resource=resource)
    endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    trace.set_tracer_provider(provider)


def shutdown_telemetry() -> None:
    """Send the spans still held; waits at most a few seconds."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def tracer(name: str) -> trace.Tracer:
    """Return a tracer; without an endpoint its spans cost next to nothing and go nowhere."""
    return trace.get_tracer(name)


def inject_traceparent() -> str:
    """Return the W3C `traceparent` of the current span, or an empty string outside a span."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")


def extract_traceparent(traceparent: str) -> Context:
    """Return the context that a `traceparent` describes; an unusable one gives an empty context."""
    return propagate.extract({"traceparent": traceparent} if traceparent else {})
