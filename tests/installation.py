"""All servers of an installation, with a tenant of people and a course, for tests that run jobs or whole processes."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from actors.families import REGISTRY
from actors.runner import Runner
from actors.tools import Tools, open_tools
from backend.documents import service
from backend.documents.schemas import Accepted, UploadForm
from backend.documents.upload import UploadedFile
from backend.kit.subject import Subject
from db import query
from db.repositories.courses import CourseRow
from db.repositories.identity import TenantRow
from ops.runtime.ids import new_id
from ops.runtime.settings import Settings
from rag.parse import HEAD_BYTES
from tests import campus
from tests.processes import Gateway
from tests.servers import Database
from tests.vectors import RunningVectors

assert REGISTRY  # the actors are declared


@dataclass(frozen=True)
class Home:
    """A tenant, its administrator, and a course."""

    tenant: TenantRow
    administrator: Subject
    place: campus.Place
    course: CourseRow


@dataclass(frozen=True)
class Installation:
    """Open connections of a worker that does its jobs when the test says so."""

    settings: Settings
    tools: Tools
    home: Home
    folder: Path

    async def upload(
        self, data: bytes, name: str, *, course_id: UUID | None = None, subject: Subject | None = None
    ) -> Accepted:
        """Upload as the administrator."""
        form = UploadForm(course_id=course_id or self.home.course.id)  # type: ignore[arg-type]
        file = received(self.folder, data, name)
        accepted, _ = await service.upload(subject or self.home.administrator, self.tools.objects, form, file)
        return accepted

    async def work(self, limit: int = 50) -> int:
        """Run the jobs that are due, in order, until none is left; return how many attempts that took."""
        runner = Runner(new_id(), self.tools)
        for count in range(limit):
            job_id = await query.fetch_value(
                """SELECT id FROM jobs WHERE state IN ('queued', 'waiting') AND coalesce(retry_at, now()) <= now()
                     AND cancel_requested_at IS NULL ORDER BY priority, id LIMIT 1"""
            )
            if job_id is None:
                return count
            await runner.run(job_id)
        raise AssertionError(f"still jobs after {limit}")


def received(folder: Path, data: bytes, name: str) -> UploadedFile:
    """A file as the multipart reader leaves it."""
    path = folder / f"received-{hashlib.sha256(data + name.encode()).hexdigest()[:16]}"
    path.write_bytes(data)
    return UploadedFile(
        path=path, name=name, sha256=hashlib.sha256(data).digest(), size_bytes=len(data), head=data[:HEAD_BYTES]
    )


def settings_for(
    folder: Path, database: Database, valkey_url: str, broker_url: str, vectors_url: str, gateway: Gateway
) -> Settings:
    """Settings of all processes of one installation below `folder`."""
    return Settings(
        data_dir=folder,
        signing_key=campus.secret(),
        master_key=campus.secret(),
        service_key=gateway.service_key,
        database_url=database.url,
        redis_url=valkey_url,
        broker_url=broker_url,
        qdrant_url=vectors_url,
        gateway_url=gateway.url,
        object_store_url=f"file://{folder}/objects",
    )


async def furnish(slug: str = "north") -> Home:
    """Make a tenant with a course; the database must be open."""
    tenant = await campus.tenant(slug)
    administrator = await campus.person(tenant, "administrator", "admin")
    place = await campus.place(administrator, "SCI")
    return Home(tenant, administrator, place, await campus.course(administrator, place, "C1"))


@asynccontextmanager
async def installed(settings: Settings, folder: Path) -> AsyncIterator[Installation]:
    """Open an installation on fresh servers."""
    async with campus.opened(settings), open_tools(settings) as tools:
        yield Installation(settings, tools, await furnish(), folder)


@pytest.fixture
async def installation(
    tmp_path: Path,
    database: Database,
    valkey_url: str,
    broker_url: str,
    vector_server: RunningVectors,
    gateway_server: Gateway,
) -> AsyncIterator[Installation]:
    """An installation that pushes nothing to Redis: its jobs run when the test calls `work`."""
    settings = settings_for(tmp_path, database, valkey_url, broker_url, vector_server.url, gateway_server)
    async with installed(settings, tmp_path) as opened:
        yield opened
