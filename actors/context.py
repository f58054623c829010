"""Joins an attempt to the request that asked for the work: its request id in every log, its trace."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from structlog.stdlib import BoundLogger

from db.jobs import Claim
from ops.runtime.context import bind_request, new_request_id
from ops.runtime.telemetry import extract_traceparent, tracer

LOGGED_FRAMES = 6


@contextmanager
def attempt_context(claim: Claim) -> Iterator[None]:
    """Bind the request id, and open a span: the first attempt's in the request's trace, a later one's with a link to it."""
    with bind_request(claim.request_id or new_request_id()):
        span = _span(claim)
        if not span.get_span_context().is_valid:  # nothing is exported, and the request had no trace
            yield
            return
        with trace.use_span(span, end_on_exit=True):
            yield


def _span(claim: Claim) -> trace.Span:
    asked_by = extract_traceparent(claim.traceparent) if claim.traceparent else Context()
    request_span = trace.get_current_span(asked_by).get_span_context()
    is_retry = claim.attempt > 1
    return tracer(__name__).start_span(
        f"job {claim.kind}",
        Context() if is_retry else asked_by,
        kind=trace.SpanKind.CONSUMER,
        links=[trace.Link(request_span)] if is_retry and request_span.is_valid else [],
        attributes={"job.id": str(claim.job_id), "job.attempt": claim.attempt},
    )


def log_failure(log: BoundLogger, event: str, error: BaseException, **fields: str) -> None:
    """Log where an unforeseen error arose, and not its text, for that may quote a document."""
    found = traceback.extract_tb(error.__traceback__)[-LOGGED_FRAMES:]
    frames = [f"{frame.filename}:{frame.lineno}" for frame in found]
    log.error(event, error=type(error).__name__, frames=frames, **fields)
