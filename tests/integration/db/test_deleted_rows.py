"""What is deleted softly is in no list, whichever of the rows that a list is made from it was."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from backend.academics import enrolments as learning
from backend.academics.service import TEACHING
from backend.identity import rights as granting
from backend.identity.schemas import NewGrant
from backend.kit.subject import Subject
from db import query
from db.repositories import (
    academics,
    chat,
    courses,
    documents,
    enrolments,
    identity,
    ingestion,
    passages,
    people,
    rights,
)
from db.repositories.documents import NewVersion
from db.repositories.places import Places
from db.unit_of_work import unit_of_work
from ops.runtime.ids import ChatSessionId, new_id
from tests import campus
from tests.integration.db.test_schema import tables_with
from tests.servers import Database

ALL = Places(everywhere=True, faculty_ids=(), course_ids=())
SHA256 = b"7" * 32
READ = "document.read"


@dataclass(frozen=True)
class Furnished:
    """One of everything; `ids` by table."""

    tenant_id: UUID
    teacher: Subject
    student: Subject
    course: courses.CourseRow
    ids: dict[str, UUID]

    @property
    def here(self) -> Places:
        return Places(everywhere=False, faculty_ids=(), course_ids=(self.course.id,))


@pytest.fixture
async def furnished(database: Database) -> AsyncIterator[Furnished]:
    async with campus.opened(campus.settings_for(database.url)):
        tenant = await campus.tenant("home")
        admin = await campus.person(tenant, "ada", "admin")
        place = await campus.place(admin, "SCI")
        course = await campus.course(admin, place, "C1")
        teacher, student = await campus.person(tenant, "tea"), await campus.person(tenant, "sam", "student")
        grant = await granting.give(admin, teacher.user_id, NewGrant(role="academic", course_id=course.id))
        await learning.enrol(admin, course.id, student.user_id)
        document_id, version_id, passage_id = (UUID(str(new_id())) for _ in range(3))
        session_id = ChatSessionId(new_id())
        new = NewVersion(
            version=1, sha256=SHA256, file_name="a.md", media_type="text/markdown", size_bytes=1, created_by=None
        )
        async with unit_of_work() as uow:
            await documents.add(uow, document_id, tenant.id, course.id, "A", None)
            await documents.add_version(uow, version_id, tenant.id, course.id, document_id, new)
            await chat.add_session(uow, session_id, tenant.id, teacher.user_id, course.id, b"")
        await query.execute("UPDATE documents SET serving_version = 1")
        await query.execute("UPDATE document_versions SET embedding_model = 'm', passage_count = 1, state = 'ready'")
        row = passages.PassageRow(
            id=passage_id,
            ordinal=0,
            page=None,
            heading="",
            char_start=0,
            char_end=1,
            text="a",
            language="en",
            has_dense=False,
        )
        async with unit_of_work() as uow:
            await passages.replace(uow, tenant.id, course.id, document_id, 1, [row])
        ids = {
            "tenants": tenant.id,
            "users": teacher.user_id,
            "learners": student.user_id,
            "roles": await query.fetch_value("SELECT id FROM roles WHERE name = 'academic'"),
            "grants": grant.id,
            "faculties": place.faculty_id,
            "semesters": place.semester_id,
            "courses": course.id,
            "documents": document_id,
            "document_versions": version_id,
            "passages": passage_id,
            "chat_sessions": session_id,
        }
        yield Furnished(tenant.id, teacher, student, course, ids)


Listing = Callable[[Furnished], Awaitable[object]]


def _readable(who: Callable[[Furnished], Subject]) -> Listing:
    return lambda f: courses.readable_courses(f.teacher.tenant_id, who(f).user_id, READ, learners_too=True)


def _courses(f: Furnished, places: Places) -> Awaitable[object]:
    return courses.courses(f.tenant_id, places, faculty_id=None, semester_id=None, text=None, after_id=None, limit=9)


def _people(f: Furnished, places: Places) -> Awaitable[object]:
    return people.search(f.tenant_id, places, text="tea", state=None, before_id=None, limit=9)


LISTS: dict[str, tuple[Listing, tuple[str, ...]]] = {
    "tenant": (lambda f: identity.tenant_by_slug("home"), ("tenants",)),
    "faculties": (lambda f: academics.faculties(f.tenant_id, ALL, after_id=None, limit=9), ("faculties",)),
    "faculties of a course": (
        lambda f: academics.faculties(f.tenant_id, f.here, after_id=None, limit=9),
        ("faculties", "courses"),
    ),
    "semesters": (
        lambda f: academics.semesters(f.tenant_id, ALL, faculty_id=None, after_id=None, limit=9),
        ("semesters",),
    ),
    "semesters of a course": (
        lambda f: academics.semesters(f.tenant_id, f.here, faculty_id=None, after_id=None, limit=9),
        ("semesters", "courses"),
    ),
    "courses": (lambda f: _courses(f, ALL), ("courses",)),
    "courses of a place": (lambda f: _courses(f, f.here), ("courses",)),
    "courses a teacher reads": (_readable(lambda f: f.teacher), ("courses", "grants", "roles", "users")),
    "courses a student reads": (_readable(lambda f: f.student), ("courses", "learners")),
    "documents": (
        lambda f: documents.page(f.course.id, f.tenant_id, only_served=True, before_id=None, limit=9),
        ("documents", "courses"),
    ),
    "documents by id": (lambda f: documents.many([f.ids["documents"]], f.tenant_id), ("documents", "courses")),
    "bytes": (lambda f: documents.find_bytes(f.course.id, SHA256), ("document_versions",)),
    "served versions": (lambda f: ingestion.served_versions(), ("documents", "courses")),
    "served versions of a course": (lambda f: ingestion.served_in(f.course.id), ("documents", "courses")),
    "passages": (
        lambda f: passages.served([f.ids["passages"]], f.tenant_id, [f.course.id]),
        ("documents", "courses"),
    ),
    "people": (lambda f: _people(f, ALL), ("users",)),
    "people of a place": (lambda f: _people(f, f.here), ("users", "grants", "courses")),
    "people found": (lambda f: people.beginning_with(f.tenant_id, "tea", limit=9), ("users",)),
    "learners": (lambda f: enrolments.active(f.course.id, after_id=None, limit=9), ("learners",)),
    "addresses": (lambda f: enrolments.known_emails(f.tenant_id, [f.student.email]), ("learners",)),
    "teachers": (lambda f: rights.teachers(f.course.id, TEACHING), ("grants", "roles", "users")),
    "grants": (lambda f: rights.grants_of(f.teacher.user_id, f.tenant_id, ALL), ("grants",)),
    "conversations": (
        lambda f: chat.sessions(f.teacher.tenant_id, f.teacher.user_id, before=None, limit=9),
        ("chat_sessions",),
    ),
}


@pytest.mark.parametrize("name", LISTS)
async def test_no_list_has_what_is_deleted(furnished: Furnished, name: str) -> None:
    listing, rows = LISTS[name]
    assert await listing(furnished), "it is there"
    for row in rows:
        table = "users" if row == "learners" else row
        for state in ("now()", "NULL"):
            await query.execute(f"UPDATE {table} SET deleted_at = {state} WHERE id = $1", furnished.ids[row])
            assert bool(await listing(furnished)) is (state == "NULL"), f"{table} deleted_at = {state}"


async def test_roles_are_listed_without_deleted_ones(furnished: Furnished) -> None:
    await query.execute("UPDATE roles SET deleted_at = now() WHERE id = $1", furnished.ids["roles"])
    assert furnished.ids["roles"] not in {role.id for role in await rights.roles(furnished.tenant_id)}


async def test_every_table_with_deleted_rows_is_among_them(furnished: Furnished) -> None:
    elsewhere = {"webhook_endpoints"}  # tests/integration/webhooks/test_endpoints.py
    assert await tables_with("deleted_at") - elsewhere == {row for _, rows in LISTS.values() for row in rows} - {
        "learners"
    }
