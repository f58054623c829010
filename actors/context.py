"""Joins an attempt to the request that asked for the work: its request id in every log, its trace as a link."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from structlog.stdlib import BoundLogger

from db.jobs import Claim
from ops.runtime.context import bind_request, new_request_id
from ops.runtime.telemetry import extract_traceparent, tracer

LOGGED_FRAMES = 6


@contextmanager
def attempt_context(claim: Claim) -> Iterator[None]:
    """Bind the request id, and open a span that links to the request's."""
    asked_by = trace.get_current_span(extract_traceparent(claim.traceparent)).get_span_context()
    links = [trace.Link(asked_by)] if asked_by.is_valid else []
    attributes: dict[str, str | int] = {"job.id": str(claim.job_id), "job.attempt": claim.attempt}
    with (
        bind_request(claim.request_id or new_request_id()),
        tracer(__name__).start_as_current_span(
            f"job {claim.kind}", kind=trace.SpanKind.CONSUMER, links=links, attributes=attributes
        ),
    ):
        yield


def log_failure(log: BoundLogger, event: str, error: BaseException, **fields: str) -> None:
    """Log where an unforeseen error arose, and not its text, for that may quote a document."""
    found = traceback.extract_tb(error.__traceback__)[-LOGGED_FRAMES:]
    frames = [f"{frame.filename}:{frame.lineno}" for frame in found]
    log.error(event, error=type(error).__name__, frames=frames, **fields)
