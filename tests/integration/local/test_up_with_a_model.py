"""`LYCEUM_MODEL=FOLDER lyceum up`: from an empty folder to an answer in the model's own words."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.models import save_parrot
from tests.processes import until
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.long

READING_SECONDS = 120
SENTENCE = "A shell is a program that lets you type commands"
QUESTION = "What is a shell, this program that lets you type commands?"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    model = save_parrot(tmp_path / "parrot", f"{SENTENCE} [1].")
    with running_stack(tmp_path / "data", {"LYCEUM_MODEL": str(model)}) as running:
        yield running


def is_read(http: httpx.Client) -> bool:
    """The system is ready before the demo's documents are."""
    time.sleep(1)
    found = http.post("/search", json={"query": QUESTION, "limit": 1}).raise_for_status().json()["results"]
    return bool(found) and "type commands" in found[0]["text"]


def test_a_question_gets_the_model_s_own_sentence_with_a_citation(stack: Stack) -> None:
    with httpx.Client(base_url=f"{stack.base_url}/api/v1", timeout=60) as http:
        body = {"email": stack.student, "password": stack.password}
        token = http.post("/auth/login", json=body).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        until(lambda: is_read(http), READING_SECONDS)
        reply = http.post("/chat", json={"message": QUESTION})
    answer = reply.json()

    assert reply.status_code == 200, answer
    assert answer["answer"] == f"{SENTENCE}. [1]"
    assert (answer["verdict"], answer["degraded"]) == ("answered", False)
    assert [citation["title"] for citation in answer["citations"]] == ["Introducing the Shell"]
    assert "type commands" in answer["citations"][0]["quote"]
