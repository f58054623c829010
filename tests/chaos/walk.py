"""One walk along what people do, each step told apart as the answer of good days, a lesser one, or a 503."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import httpx
from websockets.asyncio.client import connect

Outcome = Literal["normal", "lesser", "503"]
CLIENT_SECONDS = 12.0
UNAVAILABLE = ("/problems/dependency-unavailable", "/problems/answer-failed")
QUESTION = "How many genes does a mitochondrion hold?"
NONSENSE = "zzyqx"
numbers = count(1)


class Broken(AssertionError):
    """An answer that no promise covers."""


@dataclass(frozen=True)
class Step:
    """What came of one step."""

    outcome: Outcome
    seconds: float


@dataclass
class Walker:
    """A lecturer with all it takes to walk; `askers` are people of the course who ask, one for each way to."""

    base_url: str
    course_id: str
    document_id: str
    job_id: str
    email: str
    password: str
    refresh_token: str
    cookie: dict[str, str]
    token: str
    askers: dict[str, str]
    uploaded: list[str] = field(default_factory=list)

    def steps(self) -> dict[str, Callable[[], Awaitable[Outcome]]]:
        """Return the steps by the names of the features in the runbook."""
        return {
            "sign in": self.sign_in,
            "refresh": self.refresh,
            "me": lambda: self.get("/me"),
            "list courses": lambda: self.get("/courses"),
            "upload": self.upload,
            "document": lambda: self.get(f"/documents/{self.document_id}"),
            "document file": lambda: self.get(f"/documents/{self.document_id}/file"),
            "document text": lambda: self.get(f"/documents/{self.document_id}/text"),
            "search": self.search,
            "chat as JSON": self.chat,
            "chat as events": self.chat_events,
            "chat on a socket": self.chat_socket,
            "job events": lambda: self.get(f"/jobs/{self.job_id}/events"),
            "pages": self.page,
        }

    async def walk(self, *only: str) -> dict[str, Step]:
        """Take all steps (or `only` those) at once."""
        steps = {name: step for name, step in self.steps().items() if not only or name in only}
        return dict(zip(steps, await asyncio.gather(*(timed(name, step) for name, step in steps.items())), strict=True))

    async def sign_in(self) -> Outcome:
        return judged(await self._send("POST", "/auth/login", json={"email": self.email, "password": self.password}))

    async def refresh(self) -> Outcome:
        response = await self._send("POST", "/auth/refresh", json={"refresh_token": self.refresh_token})
        if response.status_code == httpx.codes.OK:
            self.refresh_token = response.json()["refresh_token"]
        return judged(response)

    async def get(self, path: str) -> Outcome:
        return judged(await self._send("GET", path, token=self.token))

    async def upload(self) -> Outcome:
        text = f"# Note {next(numbers)}\n\nA note about the cell, written while something was away.\n"
        response = await self._send(
            "POST",
            "/documents",
            token=self.token,
            data={"course_id": self.course_id},
            files={"file": (f"note-{next(numbers)}.md", text.encode())},
        )
        if response.status_code == httpx.codes.ACCEPTED:
            self.uploaded.append(response.json()["id"])
        return judged(response)

    async def search(self) -> Outcome:
        """Words find by the words; what is no word finds only by its vector."""
        asked = [f"{QUESTION} {next(numbers)}", f"{NONSENSE}{next(numbers)}"]
        words, nonsense = await asyncio.gather(
            *(self._send("POST", "/search", token=self.token, json={"query": text}) for text in asked)
        )
        if "503" in (judged(words), judged(nonsense)):
            return "503"
        if not words.json()["results"]:
            raise Broken("words that stand in a document find nothing")
        return "normal" if nonsense.json()["results"] else "lesser"

    async def chat(self) -> Outcome:
        response = await self._send("POST", "/chat", token=self.askers["JSON"], json={"message": asked()})
        return judged_answer(response.json()) if response.status_code == httpx.codes.OK else judged(response)

    async def chat_events(self) -> Outcome:
        headers = {"authorization": f"Bearer {self.askers['events']}", "accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(base_url=self.base_url, timeout=CLIENT_SECONDS) as client,
            client.stream("POST", "/api/v1/chat", json={"message": asked()}, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                await response.aread()
                return judged(response)
            events = [json.loads(line[5:]) async for line in response.aiter_lines() if line.startswith("data:")]
        return judged_events(events)

    async def chat_socket(self) -> Outcome:
        events: list[dict[str, Any]] = []
        async with connect(self.base_url.replace("http", "ws") + "/api/v1/chat/ws") as socket:
            await socket.send(json.dumps({"type": "auth", "token": self.askers["socket"]}))
            events.append(json.loads(await socket.recv()))
            if events[0]["type"] == "ready":
                await socket.send(json.dumps({"type": "ask", "message": asked()}))
                async for text in socket:
                    events.append(json.loads(text))
                    if events[-1]["type"] == "done" or events[-1].get("message_id", "") is None:
                        break
        return judged_events(events)

    async def page(self) -> Outcome:
        response = await self._send("GET", f"/courses/{self.course_id}", page=True, cookies=self.cookie)
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return judged(response)
        if "text/html" not in response.headers["content-type"] or "retry-after" not in response.headers:
            raise Broken(f"not an error page: {response.headers}")
        return "503"

    async def ready(self) -> httpx.Response:
        return await self._send("GET", "/health/ready", page=True)

    async def document_states(self) -> dict[str, str]:
        """The states of what was uploaded."""
        found = [
            (identifier, await self._send("GET", f"/documents/{identifier}", token=self.token))
            for identifier in self.uploaded
        ]
        return {identifier: response.json()["state"] for identifier, response in found}

    async def _send(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        page: bool = False,
        cookies: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(base_url=self.base_url, timeout=CLIENT_SECONDS, cookies=cookies) as client:
            return await client.request(method, path if page else f"/api/v1{path}", headers=headers, **more)


async def timed(name: str, step: Callable[[], Awaitable[Outcome]]) -> Step:
    """Take a step; what goes wrong in a way no promise covers is named."""
    started = time.perf_counter()
    try:
        outcome = await step()
    except Exception as error:
        raise Broken(f"{name}, after {time.perf_counter() - started:.1f} s: {error!r}") from error
    return Step(outcome, time.perf_counter() - started)


def asked() -> str:
    """A question that no cache knows."""
    return f"{QUESTION} Please answer number {next(numbers)}."


def judged(response: httpx.Response) -> Outcome:
    """Tell a full answer from a 503 in its proper form."""
    if response.is_success:
        return "normal"
    kind = response.headers.get("content-type", "")
    if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or kind != "application/problem+json":
        raise Broken(f"{response.status_code} {kind}: {response.text[:300]}")
    problem = response.json()
    if problem["type"] not in UNAVAILABLE or int(response.headers.get("retry-after", 0)) < 1:
        raise Broken(f"{problem} with Retry-After {response.headers.get('retry-after')}")
    return "503"


def judged_answer(answer: dict[str, Any]) -> Outcome:
    """Tell a written answer from a quoted one; both must cite."""
    if not answer["citations"] or not answer["answer"]:
        raise Broken(f"an answer that cites nothing: {answer}")
    return "lesser" if answer["degraded"] else "normal"


def judged_events(events: list[dict[str, Any]]) -> Outcome:
    """Tell what the events of an answer end with."""
    for event in events:
        if event["type"] == "problem":
            if event["problem"]["status"] != httpx.codes.SERVICE_UNAVAILABLE:
                raise Broken(str(event))
            return "503"
    if not events or events[-1]["type"] != "done":
        raise Broken(f"the events have no end: {events}")
    return judged_answer(events[-1]["answer"])
