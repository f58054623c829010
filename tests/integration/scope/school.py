"""The application on real servers with two tenants full of people and courses, and the model of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from qdrant_client import AsyncQdrantClient, models

from actors.families import REGISTRY
from actors.runner import Runner
from actors.tools import open_tools
from backend.kit.subject import Subject
from db import query
from ops.runtime.ids import new_id
from rag.language import analyse, detect
from rag.store import query_vector, schema
from tests import api, campus
from tests.direct_socket import DirectSocket
from tests.gateways import RunningGateway
from tests.integration.scope.material import File, words_vector
from tests.integration.scope.model import Course, Document, Model, Person
from tests.servers import Database

assert REGISTRY  # the actors are declared

TENANTS = ("north", "south")
FACULTIES = ("SCI", "ART")
STUDENTS = 4
CANDIDATES = 50


@dataclass
class School:
    """Clients, sockets and jobs; `semesters` maps a faculty to its two semesters."""

    api: api.Api
    runner: Runner
    index: AsyncQdrantClient
    stack: AsyncExitStack
    model: Model = field(default_factory=Model)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    sockets: dict[str, DirectSocket] = field(default_factory=dict)
    semesters: dict[str, list[str]] = field(default_factory=dict)
    faculties: dict[str, list[str]] = field(default_factory=dict)
    tenant_ids: dict[str, UUID] = field(default_factory=dict)

    def admin(self, tenant: str) -> httpx.AsyncClient:
        """A client of the tenant's administrator."""
        return self.clients[
            next(person.id for person in self.model.people if person.tenant == tenant and person.is_admin)
        ]

    async def socket(self, person: Person) -> DirectSocket:
        """The person's one socket, open since its first question: rights change while it is."""
        if person.id not in self.sockets:
            socket = DirectSocket(self.api.app)
            await socket.sign_in(self.tokens[person.id])
            self.sockets[person.id] = socket
            self.stack.push_async_callback(socket.close)
        return self.sockets[person.id]

    async def work(self) -> None:
        """Run every job that waits."""
        while True:
            job_id = await query.fetch_value(
                "SELECT id FROM jobs WHERE state IN ('queued', 'waiting') AND cancel_requested_at IS NULL"
                " ORDER BY priority, id LIMIT 1"
            )
            if job_id is None:
                return
            await self.runner.run(job_id)
            state = await query.fetch_value("SELECT state FROM jobs WHERE id = $1", job_id)
            assert state not in ("queued", "waiting", "running"), f"job {job_id} is {state} after its attempt"

    async def add_person(self, subject: Subject, tenant: str, *, admin: bool = False, student: bool = False) -> None:
        """Sign a person in."""
        token = (await campus.sign_in(subject.user_id)).tokens().access_token
        person = Person(str(subject.user_id), f"{subject.display_name}@{tenant}", tenant, admin, student)
        self.model.people.append(person)
        self.tokens[person.id] = token
        self.clients[person.id] = self.api.client(authorization=f"Bearer {token}")

    async def add_course(self, tenant: str, faculty: str, semester: str, code: str) -> Course:
        new = {"faculty_id": faculty, "semester_id": semester, "code": code, "title": f"Course {code}"}
        made = (await self.admin(tenant).post("/api/v1/courses", json=new)).raise_for_status().json()
        course = Course(id=made["id"], tenant=tenant, faculty=faculty, semester=semester)
        self.model.courses[course.id] = course
        return course

    async def upload(self, uploader: Person, course: Course, file: File) -> Document:
        """Upload a new document."""
        form = {"course_id": course.id}
        answer = await self.clients[uploader.id].post(
            "/api/v1/documents", data=form, files={"file": (file.name, file.data)}
        )
        assert answer.status_code == 202, answer.text
        document = Document(answer.json()["id"], course, [])
        self.model.add_version(document, file, uploader)
        return document

    async def enrol(self, person: Person, course: Course) -> None:
        """Enrol, as the administrator."""
        address = f"/api/v1/courses/{course.id}/enrolments"
        made = (await self.admin(course.tenant).post(address, json={"user_id": person.id})).raise_for_status()
        person.enrolments[course.id] = made.json()["id"]

    async def best_unscoped(self, question: str) -> str | None:
        """The course of the passage that the index itself, asked without any filter, holds for the best."""
        sparse = query_vector(analyse(question, detect(question)))
        words = models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
        branches: tuple[tuple[Any, str], ...] = ((words_vector(question), schema.DENSE), (words, schema.SPARSE))
        found = await self.index.query_points(
            schema.ALIAS,
            prefetch=[models.Prefetch(query=vector, using=using, limit=CANDIDATES) for vector, using in branches],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            limit=1,
            with_payload=["course_id"],
        )
        return (found.points[0].payload or {})["course_id"] if found.points else None

    async def set_versions(self, courses: list[Course]) -> dict[UUID, int]:
        """The document-set versions of courses, for the names of their scopes."""
        ids = [UUID(course.id) for course in courses]
        versions = await query.fetch_values(
            "SELECT document_set_version FROM courses WHERE id = ANY($1) ORDER BY id", ids
        )
        return dict(zip(sorted(ids), versions, strict=True))


@asynccontextmanager
async def opened(
    folder: Path, database: Database, valkey_url: str, vectors_url: str, gateway: RunningGateway, service_key: str
) -> AsyncIterator[School]:
    """Run the application and fill it with people and empty courses."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(
            api.running(
                database.url,
                valkey_url,
                gateway_url=gateway.url,
                qdrant_url=vectors_url,
                object_store_url=f"file://{folder}/objects",
                service_key=service_key,
                data_dir=folder,
            )
        )
        tools = await stack.enter_async_context(open_tools(running.settings))
        index = AsyncQdrantClient(url=vectors_url, check_compatibility=False)
        stack.push_async_callback(index.close)
        school = School(running, Runner(new_id(), tools), index, stack)
        for tenant in TENANTS:
            await _furnish(school, tenant)
        yield school


async def _furnish(school: School, slug: str) -> None:
    tenant = await campus.tenant(slug)
    school.tenant_ids[slug] = tenant.id
    administrator = await campus.person(tenant, "admin", "admin")
    await school.add_person(administrator, slug, admin=True)
    for number in range(STUDENTS):
        await school.add_person(await campus.person(tenant, f"student{number}", "student"), slug, student=True)
    await school.add_person(await campus.person(tenant, "lecturer"), slug)
    await school.add_person(await campus.person(tenant, "assistant", "student"), slug, student=True)
    for code in FACULTIES:
        place = await campus.place(administrator, code)
        faculty = str(place.faculty_id)
        new = {
            "faculty_id": faculty,
            "name": "Summer",
            "code": "S1",
            "starts_on": "2027-03-01",
            "ends_on": "2027-07-31",
        }
        summer = (await school.admin(slug).post("/api/v1/semesters", json=new)).raise_for_status().json()["id"]
        school.semesters[faculty] = [str(place.semester_id), summer]
        school.faculties.setdefault(slug, []).append(faculty)
        for number in range(2):
            await school.add_course(slug, faculty, school.semesters[faculty][number], f"{code}{number}")
