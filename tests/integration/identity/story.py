"""One of each act that people do, in an order that works, each by the API; the notes say what its audit row must name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx

from backend.academics.upkeep import purge_bare_courses, purge_enrolments, purge_faculties, purge_semesters
from backend.documents.jobs import IngestArgs
from backend.documents.upkeep import ingestion_ended
from backend.identity import accounts
from backend.identity.passwords import hash_password
from backend.identity.subjects import subject_for_user
from backend.identity.upkeep import purge_grants
from backend.kit.subject import Subject
from db import query
from db.jobs import EndedJob, JobError
from db.repositories import jobs
from db.repositories.identity import TenantRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import CourseId, DocumentId, JobId, UserId
from tests import campus
from tests.api import Api
from tests.integration.retention.conftest import converse

PASSWORD = "Quiet-River-9-stones"
NEW_PASSWORD = "Quiet-River-8-stones"


@dataclass
class Story:
    """A tenant, its administrator, somebody else, and the ids that earlier acts left, by the name of the thing."""

    api: Api
    home: TenantRow
    admin: Subject
    sam: Subject
    client: httpx.AsyncClient
    ids: dict[str, str] = field(default_factory=dict)

    async def send(
        self, method: str, path: str, body: Any = None, client: httpx.AsyncClient | None = None, **how: Any
    ) -> Any:
        """Send a request that must succeed; return what it answers."""
        answer = await (client or self.client).request(method, f"/api/v1{path.format(**self.ids)}", json=body, **how)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def make(self, name: str, path: str, body: Any) -> "Note":
        """Create something and remember its id."""
        self.ids[name] = (await self.send("POST", path, body))["id"]
        return Note(name, self.ids[name])

    async def upload(self, path: str, data: bytes, **form: str) -> "Note":
        """Send a file as an upload; remember document and job."""
        sent = {"data": form, "files": {"file": ("a.md", data)}}
        answer = await self.client.post(f"/api/v1{path.format(**self.ids)}", **sent)  # type: ignore[arg-type]
        assert answer.status_code == 202, answer.text
        self.ids |= {"document_id": answer.json()["id"], "job_id": answer.json()["job_id"]}
        return Note("document_id", self.ids["document_id"])


@dataclass(frozen=True)
class Note:
    """What an act was done to: the field of the row's metadata and the id in it; `actor` is None for the administrator."""

    field: str
    id: str | list[str]
    actor: Subject | None = None
    nobody: bool = False
    """Done by whom nobody knows (yet): a registration, the command line."""
    tenant_id: UUID | None = None


ACTS: Final[dict[str, Callable[[Story], Awaitable[Note]]]] = {}


def act(name: str) -> Callable[[Callable[[Story], Awaitable[Note]]], None]:
    """Make the function the one that does this act."""

    def enter(do: Callable[[Story], Awaitable[Note]]) -> None:
        assert name not in ACTS
        ACTS[name] = do

    return enter


def change(name: str, method: str, path: str, about: str, body: Any = None) -> None:
    """Enter an act of the administrator that is one request about something known by its id."""

    @act(name)
    async def do(story: Story) -> Note:
        await story.send(method, path, body)
        return Note(about, story.ids[about])


def creation(action: str, path: str, about: str, /, **body: Any) -> None:
    """Enter an act of the administrator that makes something; values like `{course_id}` are ids of earlier things."""

    @act(action)
    async def do(story: Story) -> Note:
        filled = {key: value.format(**story.ids) if isinstance(value, str) else value for key, value in body.items()}
        return await story.make(about, path, filled)


# Tenants, people and roles.


@act("tenant.created")
async def _(story: Story) -> Note:
    tenant = await accounts.create_tenant("branch", "Branch")
    return Note("slug", "branch", nobody=True, tenant_id=tenant.id)


@act("person.registered")
async def _(story: Story) -> Note:
    body = {"email": "new@home.example", "password": PASSWORD, "display_name": "New"}
    registered = await story.send("POST", "/auth/register", body, story.api.public)
    return Note("user_id", registered["id"], nobody=True, tenant_id=UUID(registered["tenant_id"]))


creation("person.created", "/users", "user_id", email="pia@home.example", display_name="Pia", role="student")
change("person.changed", "PATCH", "/users/{user_id}", "user_id", {"display_name": "Pia P."})
creation("role.created", "/roles", "role_id", name="reader", permissions=["course.read"])
change("role.changed", "PATCH", "/roles/{role_id}", "role_id", {"permissions": []})
change("role.deleted", "DELETE", "/roles/{role_id}", "role_id")
creation("grant.created", "/users/{user_id}/grants", "grant_id", role="academic")
change("grant.deleted", "DELETE", "/users/{user_id}/grants/{grant_id}", "grant_id")


@act("sign_in_link.created")
async def _(story: Story) -> Note:
    story.ids["token"] = (await story.send("POST", "/users/{user_id}/sign-in-link"))["token"]
    return Note("user_id", story.ids["user_id"])


@act("password.reset")
async def _(story: Story) -> Note:
    body = {"token": story.ids.pop("token"), "new_password": PASSWORD}
    await story.send("POST", "/auth/link", body, story.api.public)
    return Note("", "", actor=await subject_for_user(UserId(UUID(story.ids["user_id"]))))


change("person.deleted", "DELETE", "/users/{user_id}", "user_id")
change("person.restored", "POST", "/users/{user_id}/restore", "user_id")

# One's own account.


@act("auth.signed_in")
async def _(story: Story) -> Note:
    tokens = await story.send("POST", "/auth/login", {"email": story.sam.email, "password": PASSWORD}, story.api.public)
    client = story.api.client(authorization=f"Bearer {tokens['access_token']}")
    sessions = (await story.send("GET", "/me/sessions", client=client))["items"]
    story.ids["session_id"] = next(each["id"] for each in sessions if each["current"])
    return Note("session_id", story.ids["session_id"], actor=story.sam)


@act("session.revoked")
async def _(story: Story) -> Note:
    client = await story.api.signed_in(story.sam)
    await story.send("DELETE", "/me/sessions/{session_id}", client=client)
    return Note("session_id", story.ids["session_id"], actor=story.sam)


@act("session.others_revoked")
async def _(story: Story) -> Note:
    await story.send("DELETE", "/me/sessions", client=await story.api.signed_in(story.sam))
    return Note("", "", actor=story.sam)


@act("profile.changed")
async def _(story: Story) -> Note:
    await story.send("PATCH", "/me", {"display_name": "Sam S."}, await story.api.signed_in(story.sam))
    return Note("", "", actor=story.sam)


@act("password.changed")
async def _(story: Story) -> Note:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await story.send("POST", "/me/password", body, await story.api.signed_in(story.sam))
    return Note("", "", actor=story.sam)


@act("auth.signed_out")
async def _(story: Story) -> Note:
    client = await story.api.signed_in(story.sam)
    session_id = (await story.send("GET", "/me/sessions", client=client))["items"][0]["id"]
    await story.send("POST", "/auth/logout", client=client)
    return Note("session_id", session_id, actor=story.sam)


# Faculties, semesters, courses and who learns there.

DATES = {"starts_on": "2026-10-01", "ends_on": "2027-02-28"}
creation("faculty.created", "/faculties", "faculty_id", name="Science", code="SCI")
change("faculty.changed", "PATCH", "/faculties/{faculty_id}", "faculty_id", {"name": "Sciences"})
creation("semester.created", "/semesters", "semester_id", faculty_id="{faculty_id}", name="W", code="W", **DATES)
change("semester.changed", "PATCH", "/semesters/{semester_id}", "semester_id", {"name": "Winter"})
PLACE = {"faculty_id": "{faculty_id}", "semester_id": "{semester_id}"}
creation("course.created", "/courses", "course_id", code="C1", title="One", **PLACE)
change("course.changed", "PATCH", "/courses/{course_id}", "course_id", {"title": "First"})


@act("course.moved")
async def _(story: Story) -> Note:
    new = {"faculty_id": story.ids["faculty_id"], "name": "S", "code": "S", **DATES}
    spring = await story.send("POST", "/semesters", new)
    await story.send("PATCH", "/courses/{course_id}", {"semester_id": spring["id"]})
    return Note("course_id", story.ids["course_id"])


@act("enrolment.created")
async def _(story: Story) -> Note:
    enrolled = await story.send("POST", "/courses/{course_id}/enrolments", {"user_id": str(story.sam.user_id)})
    story.ids["enrolment_id"] = enrolled["id"]
    return Note("course_id", story.ids["course_id"])


@act("chat.session_deleted")
async def _(story: Story) -> Note:
    await converse(story.sam, CourseId(UUID(story.ids["course_id"])))
    client = await story.api.signed_in(story.sam)
    (session,) = (await story.send("GET", "/chat/sessions", client=client))["items"]
    await story.send("DELETE", f"/chat/sessions/{session['id']}", client=client)
    return Note("session_id", session["id"], actor=story.sam)


change("enrolment.ended", "DELETE", "/courses/{course_id}/enrolments/{enrolment_id}", "enrolment_id")

# What the clock destroys once its time has come.


def purge(action: str, table: str, ended: str, run: Callable[[], Awaitable[int]], about: str) -> None:
    """Enter the purge of what an earlier act ended."""

    @act(action)
    async def do(story: Story) -> Note:
        await _change_row(table, story.ids[about], f"{ended} = now() - interval '1 year'")
        assert await run() == 1
        return Note("ids", [story.ids[about]], nobody=True)


def purge_of_place(action: str, table: str, due: str, run: Callable[[], Awaitable[int]], **body: str) -> None:
    """Enter the purge of a faculty, semester or course that is made and deleted for it."""

    @act(action)
    async def do(story: Story) -> Note:
        filled = {key: value.format(**story.ids) for key, value in body.items()}
        made = await story.send("POST", f"/{table}", filled)
        await story.send("DELETE", f"/{table}/{made['id']}")
        await _change_row(table, made["id"], f"purge_after = {due}")
        assert await run() == 1
        return Note("ids", [made["id"]], nobody=True)


async def _change_row(table: str, row_id: str, change: str) -> None:
    assert await query.execute(f"UPDATE {table} SET {change} WHERE id = $1", UUID(row_id)) == 1


purge("grants.purged", "grants", "deleted_at", purge_grants, "grant_id")
purge("enrolments.purged", "enrolments", "ended_at", purge_enrolments, "enrolment_id")
purge_of_place("courses.removed", "courses", "NULL", purge_bare_courses, code="C2", title="Two", **PLACE)
purge_of_place(
    "semesters.purged", "semesters", "now()", purge_semesters, faculty_id="{faculty_id}", name="T", code="T", **DATES
)
purge_of_place("faculties.purged", "faculties", "now()", purge_faculties, name="Arts", code="ART")

# Documents and their jobs; no worker runs, so that what a job's end does is called by name.


@act("document.uploaded")
async def _(story: Story) -> Note:
    return await story.upload("/documents", b"# One\n\nText.", course_id=story.ids["course_id"])


change("document.renamed", "PATCH", "/documents/{document_id}", "document_id", {"title": "Two"})


@act("document.version_added")
async def _(story: Story) -> Note:
    return await story.upload("/documents/{document_id}/versions", b"# Two\n\nText.")


change("job.cancel_requested", "POST", "/jobs/{job_id}/cancel", "job_id")


async def _ended(story: Story, error: JobError | None) -> Note:
    row = await jobs.get(UUID(story.ids["job_id"]), story.home.id)
    assert row is not None
    ended = EndedJob(
        job_id=JobId(row.id),
        kind=row.kind,
        tenant_id=story.home.id,
        user_id=row.user_id,
        subject_id=row.subject_id,
        args=b"{}",
        error=error,
    )
    args = IngestArgs(document_id=DocumentId(UUID(story.ids["document_id"])), version=2)
    async with unit_of_work() as uow:
        await ingestion_ended(uow, ended, args)
    return Note("document_id", story.ids["document_id"])


@act("document.ingestion_cancelled")
async def _(story: Story) -> Note:
    return await _ended(story, None)


@act("document.failed")
async def _(story: Story) -> Note:
    return await _ended(story, JobError(type="unreadable", detail="It cannot be read."))


change("document.reingested", "POST", "/documents/{document_id}/reingest", "document_id")
change("document.deleted", "DELETE", "/documents/{document_id}", "document_id")
change("course.deleted", "DELETE", "/courses/{course_id}", "course_id")
change("semester.deleted", "DELETE", "/semesters/{semester_id}", "semester_id")


change("faculty.deleted", "DELETE", "/faculties/{faculty_id}", "faculty_id")

# All of it is taken back.

change("faculty.restored", "POST", "/faculties/{faculty_id}/restore", "faculty_id")
change("semester.restored", "POST", "/semesters/{semester_id}/restore", "semester_id")
change("course.restored", "POST", "/courses/{course_id}/restore", "course_id")


@act("document.restored")
async def _(story: Story) -> Note:
    await query.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE subject_id = $1", UUID(story.ids["document_id"])
    )
    await story.send("POST", "/documents/{document_id}/restore")
    return Note("document_id", story.ids["document_id"])


async def begin(api: Api) -> Story:
    """Make the people the story is about."""
    home = await campus.tenant("home")
    admin = await campus.person(home, "ada", "admin", "ops")
    sam = await campus.person(home, "sam", "student", password_hash=await hash_password(PASSWORD))
    return Story(api, home, admin, sam, await api.signed_in(admin))
