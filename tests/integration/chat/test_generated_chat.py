"""Answers of models that speak OpenAI's and TGI's wire formats, right and wrong, through api and gateway to the reader."""

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from inference_gateway.upstreams.deadlines import Deadlines
from tests import gateways
from tests.fakes.behaviours import plan_for
from tests.fakes.openai_server import openai_server
from tests.fakes.prompts import read_prompt
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server
from tests.processes import until
from tests.tutoring import Replica, Replicas, heal

SERVERS = {"openai": openai_server, "tgi": tgi_server}
GENES = "How many genes does a mitochondrion hold of its own?"


def fresh(question: str) -> str:
    """The same question in other words, so that no cache answers it."""
    fresh.count += 1  # type: ignore[attr-defined]
    return f"{question} ({'abcdefghijklmnopqrstuvwxyz'[fresh.count // 26]}{'abcdefghijklmnopqrstuvwxyz'[fresh.count % 26]})"  # type: ignore[attr-defined]


fresh.count = 0  # type: ignore[attr-defined]


def events(replica: Replica, question: str) -> list[dict[str, Any]]:
    response = replica["student"].post("/chat", json={"message": question}, headers={"Accept": "text/event-stream"})
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def test_a_right_answer_is_generated_and_cited(writer: Replica, fake_model: FakeServer) -> None:
    answer = writer.ask("student", fresh(GENES))

    assert (answer["verdict"], answer["degraded"]) == ("answered", False)
    assert "37 genes" in answer["answer"]
    (citation,) = answer["citations"]
    assert "37 genes" in citation["quote"]
    text = writer["student"].get(f"/documents/{citation['document_id']}/text").json()["text"]
    assert text[citation["char_start"] : citation["char_end"]] == citation["quote"]


@pytest.mark.parametrize("behaviour", ["overloaded", "not_ready", "broken_json", "error_event", "not_text"])
def test_what_cannot_be_trusted_is_replaced_by_quotes(writer: Replica, fake_model: FakeServer, behaviour: Any) -> None:
    fake_model.always(behaviour)

    answer = writer.ask("student", fresh(GENES))

    assert answer["degraded"]
    assert answer["verdict"] == "answered"
    assert "37 genes" in answer["answer"]
    assert "38" not in answer["answer"]


def test_orders_in_a_document_are_not_followed(writer: Replica, fake_model: FakeServer) -> None:
    fake_model.always("obeys_order")

    answer = writer.ask("student", fresh("What do enzymes lower? Is the exam cancelled?"))

    assert "cancelled" not in answer["answer"]
    prompt = json.dumps(fake_model.generations()[-1].body)
    assert "cancelled." not in prompt


def test_what_was_checked_before_a_break_stays(writer: Replica, fake_model: FakeServer) -> None:
    fake_model.always("ends_without_reason")

    seen = events(writer, fresh(GENES))

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    answer = seen[-1]["answer"]
    assert "37 genes" in answer["answer"]


def test_a_stop_keeps_what_was_said(writer: Replica, fake_model: FakeServer) -> None:
    fake_model.seconds_per_piece = 2
    with writer["student"].stream(
        "POST", "/chat", json={"message": fresh(GENES)}, headers={"Accept": "text/event-stream"}
    ) as response:
        location = response.headers["location"].removeprefix("/api/v1")
        lines = response.iter_lines()
        seen = list(_until(lines, '"stage":"writing"'))
        asked_at = time.monotonic()
        stopped = writer["student"].post(location.replace("/events", "/stop"))
        assert stopped.status_code == 202
        assert stopped.json()["was_open"]
        seen += list(lines)

    last = json.loads([line for line in seen if line.startswith("data: ")][-1][6:])
    assert last["type"] == "done"
    assert time.monotonic() - asked_at < 4
    session = writer["student"].get(f"/chat/sessions/{last['answer']['session_id']}").json()
    assert session["turns"][0]["state"] == "stopped"
    assert session["turns"][0]["verdict"] == "partly"


def test_a_third_open_answer_is_refused(writer: Replica, other: Replica, fake_model: FakeServer) -> None:
    fake_model.seconds_per_piece = 1
    before = len(fake_model.generations())
    threads = [
        threading.Thread(target=replica["lecturer"].post, args=("/chat",), kwargs={"json": {"message": fresh(GENES)}})
        for replica in (writer, other)
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(fake_model.generations()) == before + 2)

    third = other["lecturer"].post("/chat", json={"message": fresh(GENES)})
    as_events = {"Accept": "text/event-stream"}
    with writer["student"].stream("POST", "/chat", json={"message": fresh(GENES)}, headers=as_events) as somebody_else:
        assert all(thread.is_alive() for thread in threads), "both are still open"
        fake_model.seconds_per_piece = 0
        somebody_else.read()
    for thread in threads:
        thread.join()
    afterwards = other["lecturer"].post("/chat", json={"message": fresh(GENES)})

    assert third.status_code == 429
    assert third.json()["type"] == "/problems/too-many-open-answers"
    assert int(third.headers["retry-after"]) > 0
    assert somebody_else.status_code == 200
    assert afterwards.status_code == 200


@pytest.fixture(scope="module", params=["openai", "tgi"])
def site(
    request: pytest.FixtureRequest, campus_replicas: Replicas
) -> Iterator[tuple[Replica, FakeServer, gateways.RunningGateway]]:
    """An api process with a generation model of that kind, for which its gateway has little patience."""
    with (
        SERVERS[request.param]() as fake,
        gateways.running_gateway(
            key=campus_replicas.gateway.key,
            generation_url=fake.url,
            generation_api=request.param,
            deadlines=Deadlines(first_seconds=5.0, between_seconds=2.0),
        ) as gateway,
    ):
        replica = campus_replicas.start(gateway_url=gateway.url)
        yield replica, fake, gateway
        replica.close()


@pytest.fixture
def either(site: tuple[Replica, FakeServer, gateways.RunningGateway]) -> tuple[Replica, FakeServer]:
    """The same with a closed breaker, whatever the faults of the test before did."""
    replica, fake, gateway = site
    heal(gateway)
    return replica, fake


@pytest.mark.parametrize(
    ("behaviour", "degraded"),
    [("right", False), ("invented_marker", True), ("changed_number", True), ("cut", True), ("stall", True)],
)
def test_each_kind_of_server_is_checked(either: tuple[Replica, FakeServer], behaviour: Any, degraded: bool) -> None:
    replica, fake = either
    fake.behave(behaviour)
    before = len(fake.generations())

    answer = replica.ask("student", fresh(GENES))

    assert len(fake.generations()) == before + 1
    assert (answer["verdict"], answer["degraded"]) == ("answered", degraded)
    assert "37 genes" in answer["answer"]
    assert "38" not in answer["answer"]
    assert "37 genes" in answer["citations"][0]["quote"]


def test_a_model_that_stalls_after_a_sentence_leaves_that_sentence(either: tuple[Replica, FakeServer]) -> None:
    replica, fake = either
    fake.behave("stall_after_sentence")

    answer = replica.ask("student", fresh(GENES))

    assert (answer["verdict"], answer["degraded"]) == ("partly", False)
    assert "37 genes" in answer["answer"]


def test_a_model_that_obeys_a_hidden_order_is_not_heard(either: tuple[Replica, FakeServer]) -> None:
    """The guard does not know this order, so the model reads and obeys it: only the checker of sentences stands between."""
    replica, fake = either
    fake.behave("obeys_order")

    answer = replica.ask("student", fresh("What do ribosomes assemble?"))

    said = "".join(plan_for("obeys_order", read_prompt(_prompt(fake))).pieces)
    assert re.fullmatch(r"the exam is cancelled \[\d+\]\.", said)
    assert answer["degraded"]
    assert "proteins" in answer["answer"]
    assert "cancelled" not in json.dumps(answer)


def test_an_answer_that_lost_a_sentence_says_so_everywhere(either: tuple[Replica, FakeServer]) -> None:
    replica, fake = either
    fake.behave("one_invented")

    seen = events(replica, fresh(GENES))

    assert "forgets" in "".join(plan_for("one_invented", read_prompt(_prompt(fake))).pieces)
    done = seen[-1]
    assert done["type"] == "done"
    answer = done["answer"]
    assert (answer["verdict"], answer["degraded"], len(answer["citations"])) == ("partly", False, 1)
    assert "37 genes" in answer["answer"]
    assert "".join(event["text"] for event in seen if event["type"] == "delta") == answer["answer"]
    assert "forgets" not in json.dumps(seen)
    (turn,) = replica["student"].get(f"/chat/sessions/{answer['session_id']}").json()["turns"]
    assert (turn["state"], turn["verdict"], turn["answer"]) == ("done", "partly", answer["answer"])


def _prompt(fake: FakeServer) -> str:
    """All text of the latest request, as the model reads it."""
    body = fake.generations()[-1].body
    return str(body["inputs"]) if "inputs" in body else "\n\n".join(each["content"] for each in body["messages"])


def _until(lines: Iterator[str], text: str) -> Iterator[str]:
    for line in lines:
        yield line
        if text in line:
            return
