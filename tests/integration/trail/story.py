"""People at work whose every word, password and token can be told from anything else."""

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import connect

from tests.fakes.behaviours import Behaviour
from tests.fakes.server import FakeServer
from tests.processes import until

WAIT_SECONDS = 60
FAULTS: tuple[Behaviour, ...] = (
    *("cut", "broken_json", "error_event", "not_text", "overloaded", "too_long", "not_ready", "ends_without_reason"),
    "invented_marker",
)
UPLOAD_ID, OTHER_UPLOAD_ID, QUESTION_ID = "trail-upload-0001", "trail-upload-0002", "trail-question-0001"


def word() -> str:
    """A word that no program, document or table has."""
    return "zq" + secrets.token_hex(6)


@dataclass
class Secrets:
    """What must stay where it belongs, by what it is. The number of the answer is the document's and one more."""

    passage: str = field(default_factory=word)
    broken: str = field(default_factory=word)
    question: str = field(default_factory=word)
    query: str = field(default_factory=word)
    password: str = field(default_factory=word)
    wrong_password: str = field(default_factory=word)
    invalid: str = field(default_factory=word)
    number: int = field(default_factory=lambda: 10**11 + secrets.randbelow(10**11))
    tokens: dict[str, str] = field(default_factory=dict)

    def by_name(self) -> dict[str, str]:
        """All of them; of a token its secret end."""
        words = {name: getattr(self, name) for name in ("passage", "broken", "question", "query", "invalid")}
        passwords = {"password": self.password, "wrong password": self.wrong_password}
        numbers = {"number of the document": str(self.number), "number of the answer": str(self.number + 1)}
        return words | passwords | numbers | {name: token[-24:] for name, token in self.tokens.items()}


@dataclass
class Story:
    """Everything one lecturer and one student do."""

    base_url: str
    course_id: str
    administrator: str
    secrets: Secrets
    model: FakeServer
    answers: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    """State of each upload's job in the end, by request id."""

    def tell(self) -> None:
        with httpx.Client(base_url=f"{self.base_url}/api/v1", timeout=30) as http:
            student = self._join(http)
            self._upload(http)
            self._search(http, student)
            self._ask(http, student)
            asyncio.run(self._ask_by_socket(http, student))
            self._err(http, student)
            self._leave(http, student)

    def _join(self, http: httpx.Client) -> dict[str, str]:
        """Register, sign in with the wrong and the right password, renew the tokens, be enrolled."""
        person = {"email": "trail@home.example", "password": self.secrets.password}
        created = http.post("/auth/register", json=person | {"display_name": "Trail"})
        assert created.status_code == 201, created.text
        http.post("/auth/login", json=person | {"password": self.secrets.wrong_password})
        first = http.post("/auth/login", json=person).json()
        renewed = http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
        self.secrets.tokens |= {"first access": first["access_token"], "first refresh": first["refresh_token"]}
        self.secrets.tokens |= {"access": renewed["access_token"], "refresh": renewed["refresh_token"]}
        boss = {"Authorization": f"Bearer {self.administrator}"}
        enrolled = http.post(
            f"/courses/{self.course_id}/enrolments", json={"user_id": created.json()["id"]}, headers=boss
        )
        assert enrolled.status_code == 201, enrolled.text
        link = http.post(f"/users/{created.json()['id']}/sign-in-link", headers=boss).json()
        http.get(link["url"], follow_redirects=False)
        self.secrets.tokens |= {"link": link["token"], "administrator": self.administrator}
        return {"Authorization": f"Bearer {renewed['access_token']}"}

    def _upload(self, http: httpx.Client) -> None:
        word, number = self.secrets.passage, self.secrets.number
        text = f"# Beetles\n\nThe beetle {word} weighs {number} grams. It lives under the bark of old oaks.\n"
        broken = f"%PDF-1.7\n1 0 obj\n({self.secrets.broken})\nendobj\n".encode() * 40
        self._upload_one(http, UPLOAD_ID, "beetles.md", text.encode())
        self._upload_one(http, OTHER_UPLOAD_ID, "broken.pdf", broken)

    def _upload_one(self, http: httpx.Client, request_id: str, name: str, data: bytes) -> None:
        headers = {"Authorization": f"Bearer {self.administrator}", "X-Request-Id": request_id}
        accepted = http.post(
            "/documents", data={"course_id": self.course_id}, files={"file": (name, data)}, headers=headers
        )
        assert accepted.status_code == 202, accepted.text
        assert accepted.headers["x-request-id"] == request_id
        address = f"/jobs/{accepted.json()['job_id']}"

        def is_over() -> bool:
            self.jobs[request_id] = http.get(address, headers=headers).json()["state"]
            return self.jobs[request_id] in ("succeeded", "dead")

        until(is_over, WAIT_SECONDS, lambda: f"{name}: {self.jobs}")

    def _search(self, http: httpx.Client, student: dict[str, str]) -> None:
        for _ in range(2):  # the second from the cache
            answer = http.post("/search", json={"query": f"weighs {self.secrets.query}"}, headers=student)
            self.found = answer.raise_for_status().json()["results"]

    def _ask(self, http: httpx.Client, student: dict[str, str]) -> None:
        self.model.behave("right", "changed_number", *FAULTS)
        traced = student | {"X-Request-Id": QUESTION_ID}
        self.answers.append(http.post("/chat", json=self._question(0), headers=traced).raise_for_status().json())
        for number in range(1, 1 + 1 + len(FAULTS)):
            http.post("/chat", json=self._question(number), headers=student)
        events = student | {"Accept": "text/event-stream"}
        http.post("/chat", json=self._question(0), headers=events).raise_for_status()

    async def _ask_by_socket(self, http: httpx.Client, student: dict[str, str]) -> None:
        ticket = http.post("/auth/ws-ticket", headers=student).json()["ticket"]
        self.secrets.tokens["ticket"] = ticket
        async with connect(self.base_url.replace("http", "ws") + "/api/v1/chat/ws") as socket:
            await socket.send(json.dumps({"type": "auth", "token": ticket}))
            await socket.recv()
            await socket.send(json.dumps({"type": "ask", **self._question(99)}))
            async for text in socket:
                event = json.loads(text)
                assert event["type"] != "problem", event
                if event["type"] == "done":
                    self.answers.append(event["answer"])
                    break
            await socket.send('{"type": "ask", "message": ["' + self.secrets.invalid)
            await socket.recv()

    def _question(self, number: int) -> dict[str, str]:
        return {"message": f"How many grams weighs the beetle under the bark, {self.secrets.question} {number}?"}

    def _err(self, http: httpx.Client, student: dict[str, str]) -> None:
        """Bodies that are refused at every depth."""
        wrong = self.secrets.invalid
        for body in (
            {"message": [wrong]},
            {"message": "a", wrong: 1},
            {"message": f"a\x00{wrong}"},
            {"course_id": wrong},
        ):
            assert http.post("/chat", json=body, headers=student).is_client_error
        kind = {"content-type": "application/json"}
        assert http.post("/search", content=f'{{"query": "{wrong}', headers=student | kind).is_client_error
        assert http.post("/chat", json={"message": wrong * 2000}, headers=student).is_client_error
        assert http.get("/me", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401

    def _leave(self, http: httpx.Client, student: dict[str, str]) -> None:
        changed = {"current_password": self.secrets.password, "new_password": f"{self.secrets.password}-new"}
        http.post("/me/password", json=changed, headers=student).raise_for_status()
        http.post("/auth/logout", headers=student)
