"""The ways to ask and to read, and what each must not show."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.integration.scope.checker import check_codes, check_evidence
from tests.integration.scope.model import Person
from tests.integration.scope.school import School

CHAT = "/api/v1/chat"
REFUSED = (httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN)
"""403 tells those who hold the permission nowhere; whoever holds it elsewhere is told 404."""


@dataclass(frozen=True)
class Got:
    """What an answer rests on, the conversation it stands in, and everything that was sent."""

    evidence: list[dict[str, Any]]
    body: str
    session_id: str = ""
    message_id: str = ""


Ask = Callable[[School, Person, str, str | None], Awaitable[Got | None]]


async def search(school: School, person: Person, question: str, course_id: str | None) -> Got | None:
    """`POST /search`; None when the course is not to be found."""
    asked = {"query": question, "limit": 5} | _in_course(course_id)
    answer = await school.clients[person.id].post("/api/v1/search", json=asked)
    return Got(answer.json()["results"], answer.text) if _is_found(answer) else None


async def chat_json(school: School, person: Person, question: str, course_id: str | None) -> Got | None:
    """`POST /chat`."""
    answer = await school.clients[person.id].post(CHAT, json={"message": question} | _in_course(course_id))
    return _got([answer.json()], answer.text) if _is_found(answer) else None


async def chat_events(school: School, person: Person, question: str, course_id: str | None) -> Got | None:
    """`POST /chat` with server-sent events."""
    headers = {"accept": "text/event-stream"}
    asked = {"message": question} | _in_course(course_id)
    answer = await school.clients[person.id].post(CHAT, json=asked, headers=headers)
    if not _is_found(answer):
        return None
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    return _of_events(events, answer.text)


async def chat_socket(school: School, person: Person, question: str, course_id: str | None) -> Got | None:
    """`WS /chat/ws`, on the socket that the person has kept open."""
    socket = await school.socket(person)
    frames = await socket.ask({"message": question} | _in_course(course_id))
    if frames[0]["type"] == "problem":
        assert frames[0]["problem"]["status"] in REFUSED, frames
        return None
    return _of_events(frames, json.dumps(frames, ensure_ascii=False))


async def events_again(school: School, person: Person, message_id: str) -> Got | None:
    """`GET /chat/messages/{id}/events`: a finished answer, resumed from its first event."""
    answer = await school.clients[person.id].get(f"{CHAT}/messages/{message_id}/events", params={"after": 0})
    if not _is_found(answer):
        return None
    assert answer.json()["done"]
    return _of_events(answer.json()["items"], answer.text)


async def conversation(school: School, person: Person, session_id: str) -> dict[str, Any] | None:
    """`GET /chat/sessions/{id}`."""
    answer = await school.clients[person.id].get(f"{CHAT}/sessions/{session_id}")
    found: dict[str, Any] | None = answer.json() if _is_found(answer) else None
    return found


async def read_document(school: School, person: Person, document_id: str) -> tuple[list[int], str]:
    """Everything there is to read of a document: statuses, and all that was sent."""
    client, here = school.clients[person.id], f"/api/v1/documents/{document_id}"
    answers = [await client.get(f"{here}{part}") for part in ("", "/text", "/chunks", "/file")]
    return [answer.status_code for answer in answers], "".join(answer.text for answer in answers)


def check(school: School, person: Person, course_id: str | None, got: Got) -> None:
    """Check an answer that was given just now."""
    check_evidence(school.model, person, course_id, got.evidence)
    check_codes(school.model, person, got.body)


def _in_course(course_id: str | None) -> dict[str, str]:
    return {"course_id": course_id} if course_id else {}


def _is_found(answer: httpx.Response) -> bool:
    assert answer.status_code in (httpx.codes.OK, *REFUSED), answer.text
    return answer.status_code == httpx.codes.OK


def _of_events(events: list[dict[str, Any]], body: str) -> Got:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert not any(event["type"] == "problem" for event in events), body
    shown = [event["citation"] for event in events if event["type"] == "citation"]
    done = events[-1]["answer"]
    assert [item["marker"] for item in shown] == [item["marker"] for item in done["citations"]]
    return _got([done], body, shown)


def _got(answers: list[dict[str, Any]], body: str, shown: list[dict[str, Any]] | None = None) -> Got:
    evidence = [*(shown or []), *(item for answer in answers for item in answer["citations"])]
    return Got(evidence, body, answers[-1]["session_id"], answers[-1]["message_id"])
