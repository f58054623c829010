"""One trace from the request through the job to the gateway."""

import pytest

from tests.integration.trail.conftest import Trail


def traces(trail: Trail, service: str, name: str) -> set[bytes]:
    return {span.trace_id for span in trail.spans.spans(service) if span.name == name}


def test_an_upload_its_job_and_its_embeddings_are_one_trace(trail: Trail) -> None:
    uploads = traces(trail, "api", "POST /api/v1/documents")
    jobs = traces(trail, "worker", "job documents.ingest")
    assert jobs
    assert jobs <= uploads
    assert jobs & traces(trail, "gateway", "POST /v1/embeddings")


@pytest.mark.parametrize("route", ["/v1/embeddings", "/v1/chat/completions"])
def test_a_question_and_what_the_gateway_does_for_it_are_one_trace(trail: Trail, route: str) -> None:
    assert traces(trail, "api", "POST /api/v1/chat") & traces(trail, "gateway", f"POST {route}")
