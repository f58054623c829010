"""One id from the request through the job to the gateway, in the logs of each process that worked for it."""

from tests.integration.trail.conftest import Trail
from tests.integration.trail.story import OTHER_UPLOAD_ID, QUESTION_ID, UPLOAD_ID


def test_an_upload_is_followed_through_three_processes(trail: Trail) -> None:
    (served,) = [line for line in trail.lines("api", UPLOAD_ID) if line.get("operation") == "POST /api/v1/documents"]
    assert served["status"] == 202
    (attempt,) = [line for line in trail.lines("worker", UPLOAD_ID) if line["event"] == "attempt_ended"]
    assert (attempt["kind"], attempt["ending"]) == ("documents.ingest", "succeeded")
    assert "/v1/embeddings" in {line.get("route") for line in trail.lines("gateway", UPLOAD_ID)}


def test_another_upload_has_an_id_of_its_own(trail: Trail) -> None:
    """It fails before it needs the gateway, and none of its lines is among the first one's."""
    lines = trail.lines("worker", OTHER_UPLOAD_ID)
    endings = {line["kind"]: line["ending"] for line in lines if line["event"] == "attempt_ended"}
    assert endings == {"documents.ingest": "unreadable", "documents.prune": "succeeded"}
    assert trail.lines("api", OTHER_UPLOAD_ID)
    assert not trail.lines("gateway", OTHER_UPLOAD_ID)


def test_a_question_is_followed_to_the_gateway(trail: Trail) -> None:
    (served,) = [line for line in trail.lines("api", QUESTION_ID) if line.get("operation") == "POST /api/v1/chat"]
    assert served["status"] == 200
    routes = {line.get("route") for line in trail.lines("gateway", QUESTION_ID)}
    assert routes >= {"/v1/embeddings", "/v1/chat/completions"}
