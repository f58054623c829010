"""The ways to ask beside the pages, each telling which documents it got something from."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import websockets

from tests.e2e.api import Campus, Person

Asked = tuple[int, set[str]]
"""HTTP status, and the ids of the documents."""
Way = Callable[[Campus, Person, str, str | None], Awaitable[Asked]]
TIMEOUT_SECONDS = 60


async def search(campus: Campus, person: Person, question: str, course_id: str | None) -> Asked:
    status, found = await _posted(campus, person, "/search", {"query": question, "course_id": course_id})
    return status, {result["document_id"] for result in found.get("results", ())}


async def chat(campus: Campus, person: Person, question: str, course_id: str | None) -> Asked:
    status, answer = await _posted(campus, person, "/chat", {"message": question, "course_id": course_id})
    return status, cited(answer)


async def events(campus: Campus, person: Person, question: str, course_id: str | None) -> Asked:
    body = {"message": question, "course_id": course_id}
    headers = campus.bearer(person) | {"Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=campus.stack.base_url, timeout=TIMEOUT_SECONDS) as http,
        http.stream("POST", "/api/v1/chat", json=body, headers=headers) as response,
    ):
        lines = [json.loads(line[5:]) async for line in response.aiter_lines() if line.startswith("data:")]
    return response.status_code, _of_all(lines)


async def socket(campus: Campus, person: Person, question: str, course_id: str | None) -> Asked:
    address = campus.stack.base_url.replace("http", "ws") + "/api/v1/chat/ws"
    token = campus.bearer(person)["Authorization"].removeprefix("Bearer ")
    ask = {"type": "ask", "message": question} | ({"course_id": course_id} if course_id else {})
    got: list[dict[str, Any]] = []
    async with websockets.connect(address) as connection:
        await connection.send(json.dumps({"type": "auth", "token": token}))
        assert json.loads(await connection.recv())["type"] == "ready"
        await connection.send(json.dumps(ask))
        while not got or got[-1]["type"] not in ("done", "problem"):
            got.append(json.loads(await connection.recv()))
    status = int(got[-1]["problem"]["status"]) if got[-1]["type"] == "problem" else 200
    return status, _of_all(got)


WAYS: dict[str, Way] = {"search": search, "chat": chat, "events": events, "socket": socket}


def cited(answer: dict[str, Any]) -> set[str]:
    """The documents an answer cites."""
    return {citation["document_id"] for citation in answer.get("citations", ())}


def _of_all(events: list[dict[str, Any]]) -> set[str]:
    single = {event["citation"]["document_id"] for event in events if event["type"] == "citation"}
    return single.union(*(cited(event["answer"]) for event in events if event["type"] == "done"))


async def _posted(campus: Campus, person: Person, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(base_url=campus.stack.base_url, timeout=TIMEOUT_SECONDS) as http:
        given = {name: value for name, value in body.items() if value is not None}
        response = await http.post(f"/api/v1{path}", json=given, headers=campus.bearer(person))
    found: dict[str, Any] = response.json()
    return response.status_code, found
