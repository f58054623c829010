"""Where an attempt stands among the traces: the first in its request's, a later one beside it."""

from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors import context
from db.jobs import Claim
from ops.runtime.context import request_id
from ops.runtime.ids import JobId

TRACE_ID, SPAN_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


def claim(attempt: int, traceparent: str) -> Claim:
    return Claim(
        job_id=JobId(uuid4()),
        kind="test.kind",
        tenant_id=uuid4(),
        user_id=None,
        subject_id=None,
        args=b"{}",
        attempt=attempt,
        max_attempts=3,
        fencing_token=attempt,
        request_id="asked-by-this",
        traceparent=traceparent,
        parent_id=None,
        concurrency_key=None,
    )


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(context, "tracer", provider.get_tracer)
    return exporter


def span_of(spans: InMemorySpanExporter, attempt: int, traceparent: str) -> ReadableSpan:
    with context.attempt_context(claim(attempt, traceparent)):
        assert request_id.get() == "asked-by-this"
    (span,) = spans.get_finished_spans()
    return span


def test_the_first_attempt_goes_on_with_the_request_s_trace(spans: InMemorySpanExporter) -> None:
    span = span_of(spans, 1, f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01")
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (TRACE_ID, SPAN_ID)
    assert not span.links


def test_a_retry_has_a_trace_of_its_own_that_links_to_the_request(spans: InMemorySpanExporter) -> None:
    span = span_of(spans, 2, f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01")
    assert span.parent is None
    assert span.context.trace_id != TRACE_ID
    assert [link.context.trace_id for link in span.links] == [TRACE_ID]


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_job_that_nobody_traced_begins_a_trace(spans: InMemorySpanExporter, attempt: int) -> None:
    span = span_of(spans, attempt, "")
    assert span.parent is None
    assert not span.links
