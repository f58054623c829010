"""The installation all figures are taken from: `lyceum up` in a folder of its own, with a tenant of signed-in people."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from backend.academics import enrolments
from backend.identity.runtime import runtime
from backend.identity.sessions import OpenedSession
from backend.kit.subject import Subject
from ops.local.addresses import running_settings
from ops.runtime.crypto import AccessClaims
from ops.runtime.logging import configure_logging
from ops.runtime.settings import Settings, load_settings
from tests import campus
from tests.stack import Stack, start_stack

COURSES = 20
LEARNERS = 300
TOKEN_SECONDS = 3600
"""Longer than the product's own: the tokens are signed before the first figure and used for the last."""
READY_SECONDS = 300


@dataclass(frozen=True)
class Person:
    """Somebody signed in."""

    subject: Subject
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What each of their requests carries."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Campus:
    """A tenant with one faculty and 20 courses; its learners are enrolled in all of them."""

    tenant_id: str
    lecturer: Person
    learners: list[Person]
    course_ids: list[str]


@dataclass
class Site:
    """The installation. `stack` is replaced by each `restart`."""

    folder: Path
    stack: Stack
    counter: int = 0
    tenant: Campus | None = None
    has_document: bool = False
    turns: int = 0

    @property
    def url(self) -> str:
        """Address of the api."""
        return self.stack.base_url

    @property
    def settings(self) -> Settings:
        """What its processes run with."""
        return running_settings(load_settings(self.stack.environment()))

    @property
    def api(self) -> psutil.Process:
        """The api process."""
        return psutil.Process(self.stack.pid_of("api"))

    @property
    def campus(self) -> Campus:
        """The tenant."""
        assert self.tenant is not None
        return self.tenant

    def next_person(self) -> Person:
        """Return learners in turn, so that nobody meets a limit that people do not meet."""
        self.turns += 1
        return self.campus.learners[self.turns % LEARNERS]

    def restart(self) -> float:
        """Stop everything, start it again, and return the seconds until it was ready."""
        self.stack.stop()
        started = time.perf_counter()
        self.stack = start_stack(self.folder)
        self.stack.wait_until_ready()
        return time.perf_counter() - started

    async def wait_until_idle(self) -> None:
        """Wait until no document of the demo is being read any more."""
        async with httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=30) as client:
            body = {"email": self.stack.admin, "password": self.stack.password}
            tokens = (await client.post("/auth/login", json=body)).raise_for_status().json()
            client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            deadline = time.monotonic() + READY_SECONDS
            while time.monotonic() < deadline:
                jobs = (await client.get("/jobs", params={"limit": 50})).raise_for_status().json()["items"]
                if not [job for job in jobs if job["state"] in ("queued", "waiting", "running")]:
                    return
                await asyncio.sleep(0.5)
        raise TimeoutError("the demo's documents are still being read")


@contextmanager
def running_site() -> Iterator[Site]:
    """Start an installation, wait until its demo is loaded, remove it at the end."""
    configure_logging("bench", "error")
    root = Path(tempfile.mkdtemp(prefix="lyceum-bench-"))
    site = Site(root / "data", start_stack(root / "data"))
    try:
        site.stack.wait_until_ready()
        asyncio.run(site.wait_until_idle())
        site.tenant = asyncio.run(_make_campus(site.settings))
        yield site
    finally:
        site.stack.stop()
        shutil.rmtree(root, ignore_errors=True)


async def _make_campus(settings: Settings) -> Campus:
    async with campus.opened(settings):
        home = await campus.tenant("bench")
        administrator = await campus.person(home, "lecturer", "admin")
        place = await campus.place(administrator, "BENCH")
        courses = [await campus.course(administrator, place, f"BENCH-{100 + i}") for i in range(COURSES)]
        learners = [await campus.person(home, f"learner-{i:03}", "student") for i in range(LEARNERS)]
        emails = [learner.email for learner in learners]
        for course in courses:
            await enrolments.enrol_by_email(administrator, course.id, emails)
        return Campus(
            tenant_id=str(home.id),
            lecturer=await _signed_in(administrator),
            learners=[await _signed_in(learner) for learner in learners],
            course_ids=[str(course.id) for course in courses],
        )


async def _signed_in(subject: Subject) -> Person:
    return Person(subject, _token(await campus.sign_in(subject.user_id)))


def _token(opened: OpenedSession) -> str:
    claims = AccessClaims(
        user_id=opened.user_id, tenant_id=opened.tenant_id, session_id=opened.session_id, epoch=opened.epoch
    )
    return runtime().access_tokens.issue(claims, TOKEN_SECONDS)
