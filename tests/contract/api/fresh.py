"""Fresh things for one call each, made through the API, so that calls that change or delete may succeed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from backend.notifications.signatures import secret_bytes, signed_headers
from tests.contract.api.seeds import PASSWORD, schedule, webhook
from tests.contract.api.site import Operation, Site

numbers = count(1)
MESSAGE = "POST /api/v1/webhooks/in/{source_id}"
DATES = {"starts_on": "2026-10-01", "ends_on": "2027-02-01"}


def _account() -> dict[str, str]:
    return {"email": f"new-{uuid4().hex[:8]}@home.example", "password": PASSWORD}


@dataclass
class Fresh:
    """An administrator's and a lecturer's hands, and a registered person whom no course knows."""

    site: Site
    admin: httpx.Client = field(init=False)
    academic: httpx.Client = field(init=False)
    operator: httpx.Client = field(init=False)
    newcomer: dict[str, str] = field(default_factory=_account)
    leaving: dict[str, str] = field(default_factory=_account)
    """E-mail and password of another such person, whose sessions end."""
    token: str = field(init=False)
    """The newcomer's, which lasts as long as these tests."""

    def __post_init__(self) -> None:
        self.admin, self.academic, self.operator = (self.site.client(role) for role in ("admin", "academic", "ops"))
        for account in (self.newcomer, self.leaving):
            self._made("/auth/register", **account, display_name="New")
        self.token = self.login(self.newcomer)["access_token"]

    def close(self) -> None:
        self.admin.close()
        self.academic.close()
        self.operator.close()

    def address(self, operation: Operation, role: str, headers: dict[str, str]) -> str:
        """The path: things that stay for reading, fresh ones for everything else."""
        reads = operation.method == "GET"
        makers = self._chat(role) if "/chat/" in operation.path else {} if reads else self._makers(operation)
        if operation.path.startswith("/api/v1/me/sessions/"):
            makers = {"session_id": lambda: self._own_session(headers)}
        ids = {name: makers[name]() if name in makers else self.site.seeds.ids[name] for name in _names(operation.path)}
        if not reads and "grant_id" in ids:
            ids["grant_id"] = self._made(f"/users/{ids['user_id']}/grants", role="student")["id"]
        return operation.path.format(**ids)

    def request(self, operation: Operation) -> dict[str, Any]:
        """Body, query and headers, each as the operation takes them."""
        if operation.label == MESSAGE:
            return self._message()
        if operation.path.endswith("/boxes"):
            return {"params": {"char_start": 0, "char_end": 9}}
        if operation.label == "GET /api/v1/documents":
            return {"params": {"course_id": self.site.seeds.ids["course_id"]}}
        if operation.label == "GET /api/v1/ops/queues/history":
            return {"params": {"queue": "default", "hours": 24}}
        if operation.label == "GET /api/v1/ops/schedules/times":
            return {"params": {"cron": "0 3 * * *"}}
        if "multipart/form-data" in operation.body:
            form = {} if operation.path.endswith("/versions") else {"course_id": self.site.seeds.ids["course_id"]}
            return {"data": form, "files": _file()}
        return {"json": self._bodies()[operation.label]()} if operation.body else {}

    def _bodies(self) -> dict[str, Callable[[], dict[str, Any]]]:
        ids, title = self.site.seeds.ids, {"title": "Other"}
        place = {"faculty_id": ids["faculty_id"], "semester_id": ids["semester_id"]}
        return {
            "POST /api/v1/auth/link": lambda: {"token": self._link()["token"]},
            "POST /api/v1/auth/login": lambda: self.leaving,
            "POST /api/v1/auth/refresh": lambda: {"refresh_token": self.login(self.leaving)["refresh_token"]},
            "POST /api/v1/auth/register": lambda: _person() | {"password": PASSWORD},
            "POST /api/v1/chat": lambda: {"message": "What stands on sheet 3?"},
            "POST /api/v1/inference/quotas": lambda: {"level": "person", "requests": 1000},
            "PATCH /api/v1/inference/policy": lambda: {"text_may_leave": False},
            "POST /api/v1/generate": lambda: {"prompt": "Why is the sky blue?", "grade_level": 5},
            "POST /api/v1/search": lambda: {"query": "sheet"},
            "POST /api/v1/courses": lambda: place | _named("title"),
            "PATCH /api/v1/courses/{course_id}": lambda: title,
            "POST /api/v1/courses/{course_id}/enrolments": lambda: {"user_id": self._person()},
            "PATCH /api/v1/documents/{document_id}": lambda: title,
            "POST /api/v1/faculties": lambda: _named("name"),
            "PATCH /api/v1/faculties/{faculty_id}": lambda: {"name": "Other"},
            "PATCH /api/v1/me": lambda: {"locale": "en"},
            "POST /api/v1/me/password": lambda: {"current_password": "not mine at all", "new_password": PASSWORD},
            "POST /api/v1/jobs/bulk": lambda: {"action": "cancel", "ids": [self._uploaded()["job_id"]]},
            "POST /api/v1/jobs/{job_id}/priority": lambda: {"priority": 3},
            "POST /api/v1/ops/schedules": _schedule,
            "PATCH /api/v1/ops/schedules/{schedule_id}": lambda: {"missed": "skip"},
            "POST /api/v1/webhooks": lambda: msgspec.to_builtins(webhook()),
            "PATCH /api/v1/webhooks/{webhook_id}": lambda: {"description": "Other"},
            "POST /api/v1/webhooks/{webhook_id}/replay": lambda: {"since": "2026-01-01T00:00:00Z"},
            "POST /api/v1/webhooks/sources": lambda: {"name": f"fresh-{next(numbers)}"},
            "POST /api/v1/events/dead/replay": lambda: {"consumer": "nobody"},
            "POST /api/v1/roles": lambda: {"name": f"role-{next(numbers)}-x", "permissions": []},
            "PATCH /api/v1/roles/{role_id}": lambda: {"permissions": ["course.read"]},
            "POST /api/v1/semesters": lambda: {"faculty_id": ids["faculty_id"]} | _named("name") | DATES,
            "PATCH /api/v1/semesters/{semester_id}": lambda: {"name": "Other"},
            "POST /api/v1/users": _person,
            "PATCH /api/v1/users/{user_id}": lambda: {"display_name": "Other"},
            "POST /api/v1/users/{user_id}/grants": lambda: {"role": "student"},
        }

    def login(self, account: dict[str, str]) -> dict[str, str]:
        """A new session."""
        answer = self.admin.post("/api/v1/auth/login", json=account)
        tokens: dict[str, str] = answer.raise_for_status().json()
        return tokens

    def _makers(self, operation: Operation) -> dict[str, Callable[[], str]]:
        ids = self.site.seeds.ids
        place = {"faculty_id": ids["faculty_id"], "semester_id": ids["semester_id"]}
        home = f"/courses/{ids['course_id']}/enrolments"
        makers: dict[str, Callable[[], str]] = {
            "faculty_id": lambda: self._made("/faculties", **_named("name"))["id"],
            "semester_id": lambda: self._made("/semesters", faculty_id=ids["faculty_id"], **_named("name"), **DATES)[
                "id"
            ],
            "course_id": lambda: self._made("/courses", **place, **_named("title"))["id"],
            "enrolment_id": lambda: self._made(home, user_id=self._person())["id"],
            "role_id": lambda: self._made("/roles", name=f"role-{next(numbers)}-y", permissions=[])["id"],
            "user_id": self._person,
            "document_id": lambda: self._uploaded()["id"],
            "job_id": lambda: self._uploaded()["job_id"],
            "schedule_id": self._scheduled,
            "webhook_id": lambda: self._made("/webhooks", **msgspec.to_builtins(webhook()))["id"],
            "source_id": lambda: self._made("/webhooks/sources", name=f"fresh-{next(numbers)}")["id"],
            "quota_id": lambda: self._made("/inference/quotas", level="course", tokens=10**9)["id"],
            "upstream": lambda: ids["upstream"],
            "delivery_id": lambda: next(self.site.seeds.spares["delivery_id"]),
            "dead_id": lambda: next(self.site.seeds.spares["dead_id"]),
        }
        if "/enrolments" in operation.path:
            del makers["course_id"]  # the one that the academic teaches
        if "/deliveries/" in operation.path:
            del makers["webhook_id"]  # the one that has some
        if operation.path.endswith("/retry"):
            makers["job_id"] = lambda: next(self.site.seeds.spares["delayed_job_id"])
        if operation.label == MESSAGE:
            del makers["source_id"]  # the one whose secret is known
        return makers

    def _chat(self, role: str) -> dict[str, Callable[[], str]]:
        """An own conversation where the role may have any, else another's."""
        owner = role if role in ("student", "academic", "admin") else "admin"

        def asked(name: str) -> str:
            with self.site.client(owner) as client:
                answer = client.post("/api/v1/chat", json={"message": "What stands on sheet 4?"})
            return str(answer.raise_for_status().json()[name])

        return {"session_id": lambda: asked("session_id"), "message_id": lambda: asked("message_id")}

    def _own_session(self, headers: dict[str, str]) -> str:
        own = headers or self.site.headers("admin")
        sessions = self.admin.get("/api/v1/me/sessions", headers=own).raise_for_status().json()["items"]
        return str(next(session["id"] for session in sessions if session["current"]))

    def _person(self) -> str:
        return str(self._made("/users", **_person())["id"])

    def _uploaded(self) -> dict[str, str]:
        form = {"course_id": self.site.seeds.ids["course_id"]}
        accepted: dict[str, str] = (
            self.academic.post("/api/v1/documents", data=form, files=_file()).raise_for_status().json()
        )
        return accepted

    def _scheduled(self) -> str:
        answer = self.operator.post("/api/v1/ops/schedules", json=_schedule())
        return str(answer.raise_for_status().json()["id"])

    def _message(self) -> dict[str, Any]:
        """What a source signs."""
        body, key = b'{"a": 1}', secret_bytes(self.site.seeds.source_secret)
        return {"content": body, "headers": signed_headers([key], str(uuid4()), int(time.time()), body)}

    def _link(self) -> dict[str, Any]:
        answer = self.admin.post(f"/api/v1/users/{self._person()}/sign-in-link")
        created: dict[str, Any] = answer.raise_for_status().json()
        return created

    def _made(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.admin.post(f"/api/v1{path}", json=body)
        created: dict[str, Any] = answer.raise_for_status().json()
        return created


def _names(path: str) -> list[str]:
    return [piece.partition("}")[0] for piece in path.split("{")[1:]]


def _named(name: str) -> dict[str, str]:
    return {name: "Fresh", "code": f"N{next(numbers)}"}


def _person() -> dict[str, str]:
    return {"email": f"fresh-{uuid4().hex[:8]}@home.example", "display_name": "Fresh"}


def _schedule() -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(schedule(f"Fresh {next(numbers)}"))
    return made


def _file() -> dict[str, tuple[str, bytes]]:
    return {"file": ("sheet.md", f"# Sheet {uuid4()}\n\nNothing much.\n".encode())}
