"""What the stories need before they begin, made through the public API: faculties, courses, people."""

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.stack import Stack

DEMO_SECONDS = 120
PASSWORD = "Blue-Heron-7-walks"


@dataclass(frozen=True)
class Person:
    email: str
    password: str
    id: str = ""


@dataclass
class Campus:
    """An administrator's hands on a running installation."""

    stack: Stack
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.stack.base_url, timeout=30)
        self.http.headers.update(self.bearer(Person(self.stack.admin, self.stack.password)))

    def bearer(self, person: Person) -> dict[str, str]:
        answer = self.http.post("/api/v1/auth/login", json={"email": person.email, "password": person.password})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"/api/v1{path}", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def person(self, name: str, role: str | None = None) -> Person:
        email = f"{name.lower()}-{uuid4().hex[:8]}@campus.example"
        body = {"email": email, "display_name": name, "password": PASSWORD} | ({"role": role} if role else {})
        return Person(email, PASSWORD, self.made("/users", **body)["id"])

    def course(self, title: str) -> str:
        """Make a course in a faculty and semester of its own."""
        mark = uuid4().hex[:6]
        faculty = self.made("/faculties", name=f"Faculty {mark}", code=f"F-{mark}")["id"]
        dates = {"starts_on": "2026-01-01", "ends_on": "2026-12-31"}
        semester = self.made("/semesters", faculty_id=faculty, name="Year", code=f"Y-{mark}", **dates)["id"]
        course = self.made("/courses", faculty_id=faculty, semester_id=semester, code=f"C-{mark}", title=title)
        return str(course["id"])

    def enrol(self, person: Person, course_id: str) -> None:
        self.made(f"/courses/{course_id}/enrolments", user_id=person.id)

    def teaches(self, person: Person, course_id: str) -> None:
        self.made(f"/users/{person.id}/grants", role="academic", course_id=course_id)

    def wait_for_demo(self) -> None:
        """Wait until nothing is being read any more: the system is ready before the demo's documents are."""
        deadline = time.monotonic() + DEMO_SECONDS
        courses = self.http.get("/api/v1/courses?limit=100").json()["items"]
        for course in courses:
            while not self._all_read(course["id"]):
                assert time.monotonic() < deadline, "the demo's documents are not read"
                time.sleep(0.5)

    def _all_read(self, course_id: str) -> bool:
        documents = self.http.get(f"/api/v1/documents?course_id={course_id}&limit=100").json()["items"]
        return all(document["state"] in ("ready", "failed") for document in documents)

    def close(self) -> None:
        self.http.close()
