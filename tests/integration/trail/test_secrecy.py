"""No question, answer, text of a document, password or token is in any log, span or metric of any process."""

import base64

import pytest

from tests.integration.trail.conftest import PROCESSES, Trail

ENOUGH_CHARACTERS = 500


@pytest.fixture(scope="module")
def said(trail: Trail) -> dict[str, str]:
    """Everything that was said, by where."""
    spans = b"".join(trail.spans.bodies).decode("utf-8", "replace")
    return trail.texts | {"spans": spans}


def test_everybody_said_something(trail: Trail, said: dict[str, str]) -> None:
    """Silence proves nothing: every process has logged, every source was read, the acts were real."""
    for source in (*(f"{name}.log" for name in PROCESSES), "vectors.log", "api metrics", "gateway metrics", "spans"):
        assert said.get(source), source
    for source in ("api.log", "gateway.log", "worker.log", "api metrics", "gateway metrics", "spans"):
        assert len(said[source]) > ENOUGH_CHARACTERS, source
    assert "POST /api/v1/chat" in trail.spans.names("api")
    assert "job documents.ingest" in trail.spans.names("worker")
    assert 'operation="POST /api/v1/documents"' in said["api metrics"]


def test_the_secrets_were_handled(trail: Trail) -> None:
    story, secrets = trail.story, trail.story.secrets
    assert any(secrets.passage in result["text"] for result in story.found)
    assert all(str(secrets.number) in answer["answer"] for answer in story.answers), story.answers
    prompts = " ".join(str(generation.body) for generation in story.model.generations())
    assert secrets.question in prompts
    assert secrets.passage in prompts
    assert sorted(story.jobs.values()) == ["dead", "succeeded"]
    assert len(secrets.tokens) == 7


def test_nothing_of_it_was_said(trail: Trail, said: dict[str, str]) -> None:
    found = [
        f"{name} in {source}"
        for name, secret in trail.story.secrets.by_name().items()
        for source, text in said.items()
        if any(form in text for form in forms(secret))
    ]
    assert found == []


def forms(secret: str) -> set[str]:
    """The secret and what transport makes of it."""
    return {secret, secret.upper(), secret[::-1], base64.b64encode(secret.encode()).decode().rstrip("=")}
