"""An installation with the real embedder and vector server: as open connections, and as whole processes behind HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from backend.academics import enrolments
from backend.identity import rights
from backend.identity.schemas import NewGrant
from backend.kit.http.browser import SESSION_COOKIE
from backend.kit.subject import Subject
from ops.local.ports import free_port
from ops.runtime.ids import CourseId
from ops.runtime.settings import Settings
from tests import campus
from tests import installation as installations
from tests.installation import Installation, furnish, installed, settings_for
from tests.processes import Gateway, process, until
from tests.servers import Database, RunningValkey
from tests.vectors import RunningVectors, running_vectors

installation = installations.installation

READY_SECONDS = 180


@pytest.fixture
async def installation_alone(
    tmp_path: Path, database: Database, valkey_url: str, broker_url: str, gateway_server: Gateway
) -> AsyncIterator[Installation]:
    """As `installation`, with an index that nobody else uses."""
    with running_vectors(tmp_path / "vectors") as index:
        settings = settings_for(tmp_path, database, valkey_url, broker_url, index.url, gateway_server)
        async with installed(settings, tmp_path) as opened:
            yield opened


@dataclass(frozen=True)
class Site:
    """An api, a worker and a clock; `clients` by person, signed in: lecturer and student of the course, strangers."""

    settings: Settings
    course_id: CourseId
    clients: dict[str, httpx.Client]
    cookies: dict[str, str]

    def __getitem__(self, person: str) -> httpx.Client:
        return self.clients[person]

    def upload(self, data: bytes, name: str, person: str = "lecturer", **fields: str) -> httpx.Response:
        form = {"course_id": str(self.course_id), **fields}
        return self[person].post("/documents", data=form, files={"file": (name, data)})

    def page(self, person: str, path: str) -> str:
        """A page as that person's browser gets it."""
        address = f"http://127.0.0.1:{self.settings.port}{path}"
        answer = httpx.get(address, cookies={SESSION_COOKIE: self.cookies[person]}, headers={"accept": "text/html"})
        return answer.raise_for_status().text

    def ended(self, document_id: str) -> dict[str, Any]:
        """Wait until the latest version is ready or failed."""
        seen: dict[str, Any] = {}

        def over() -> bool:
            seen.update(self["lecturer"].get(f"/documents/{document_id}").raise_for_status().json())
            return seen["state"] in ("ready", "failed")

        until(over, READY_SECONDS, lambda: str(seen))
        return seen

    def ready(self, data: bytes, name: str, **fields: str) -> dict[str, Any]:
        """Upload and wait until readers have it."""
        document = self.ended(self.upload(data, name, **fields).raise_for_status().json()["id"])
        assert document["state"] == "ready", document
        return document


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    module_database: Database,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
    gateway_server: Gateway,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    redis_urls = valkey_server.url(10), valkey_server.url(11)
    settings = settings_for(folder, module_database, *redis_urls, vector_server.url, gateway_server)
    settings = msgspec.structs.replace(settings, port=free_port(), max_upload_bytes=4 * 1024 * 1024)
    course_id, tokens, cookies = asyncio.run(_people(settings))
    with ExitStack() as stack:
        for name in ("worker", "clock"):
            stack.enter_context(process(name, settings, folder))
        stack.enter_context(process("api", settings, folder))
        base = f"http://127.0.0.1:{settings.port}/api/v1"
        clients = {
            person: stack.enter_context(
                httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30)
            )
            for person, token in tokens.items()
        }
        yield Site(settings, course_id, clients, cookies)


async def _people(settings: Settings) -> tuple[CourseId, dict[str, str], dict[str, str]]:
    """The course, and by name everybody's access token and session cookie."""
    async with campus.opened(settings):
        home, away = await furnish("north"), await furnish("south")
        lecturer = await campus.person(home.tenant, "lecturer")
        student = await campus.person(home.tenant, "student", "student")
        idle = await campus.person(home.tenant, "idle", "student")
        await rights.give(home.administrator, lecturer.user_id, NewGrant(role="academic", course_id=home.course.id))
        await enrolments.enrol(home.administrator, home.course.id, student.user_id)
        people: dict[str, Subject] = {
            "administrator": home.administrator,
            "lecturer": lecturer,
            "student": student,
            "idle": idle,
            "foreigner": away.administrator,
        }
        opened = {name: await campus.sign_in(who.user_id) for name, who in people.items()}
        tokens = {name: session.tokens().access_token for name, session in opened.items()}
        return home.course.id, tokens, {name: session.cookie() for name, session in opened.items()}
