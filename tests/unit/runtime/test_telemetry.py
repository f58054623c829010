import asyncio
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from ops.runtime.telemetry import (
    EVENT_LOOP_LAG,
    GoldenSignals,
    extract_traceparent,
    inject_traceparent,
    render_metrics,
    watch_event_loop,
)


def test_signals_count_traffic_errors_latency_and_saturation() -> None:
    registry = CollectorRegistry()
    signals = GoldenSignals("things", registry)
    signals.started()
    assert registry.get_sample_value("lyceum_things_in_flight") == 1
    signals.ended("read", "200", 0.02)
    signals.started()
    signals.ended("read", "500", 0.02, failed=True)
    assert registry.get_sample_value("lyceum_things_in_flight") == 0
    assert registry.get_sample_value("lyceum_things_total", {"operation": "read", "outcome": "200"}) == 1
    assert registry.get_sample_value("lyceum_things_errors_total", {"operation": "read"}) == 1
    assert registry.get_sample_value("lyceum_things_seconds_bucket", {"operation": "read", "le": "0.025"}) == 2


def test_block_that_raises_counts_as_our_fault() -> None:
    registry = CollectorRegistry()
    signals = GoldenSignals("jobs", registry)
    with pytest.raises(KeyError), signals.measure("ingest"):
        raise KeyError("gone")
    with signals.measure("ingest"):
        pass
    assert registry.get_sample_value("lyceum_jobs_errors_total", {"operation": "ingest"}) == 1
    assert registry.get_sample_value("lyceum_jobs_total", {"operation": "ingest", "outcome": "ok"}) == 1
    assert registry.get_sample_value("lyceum_jobs_in_flight") == 0


def test_process_metrics_are_rendered() -> None:
    assert b"process_resident_memory_bytes" in render_metrics()


def test_traceparent_makes_the_journey() -> None:
    assert inject_traceparent() == ""
    with TracerProvider().get_tracer("test").start_as_current_span("act") as span:
        carried = inject_traceparent()
    context = trace.get_current_span(extract_traceparent(carried)).get_span_context()
    assert context.trace_id == span.get_span_context().trace_id
    assert context.is_remote
    assert not trace.get_current_span(extract_traceparent("nonsense")).get_span_context().is_valid


async def test_blocked_event_loop_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.runtime.telemetry.LOOP_WATCH_SECONDS", 0.05)
    started = time.perf_counter()
    watch = asyncio.create_task(watch_event_loop())
    await asyncio.sleep(0.02)
    time.sleep(0.3)
    await asyncio.sleep(0.01)
    watch.cancel()
    (sample,) = next(iter(EVENT_LOOP_LAG.collect())).samples
    assert 0.15 < sample.value < time.perf_counter() - started
