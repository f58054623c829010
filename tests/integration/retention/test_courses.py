"""What a deleted course held is destroyed with it, and nothing else is; places go when nothing is left under them."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from backend.academics import enrolments, places, service
from backend.academics import upkeep as academics
from backend.chat import history
from backend.chat.upkeep import purge_conversations
from backend.documents import reading
from backend.documents import service as documents
from backend.documents.upkeep import purge_deleted, purge_uncited
from backend.identity import rights
from backend.identity.schemas import NewGrant
from backend.identity.upkeep import purge_grants
from db import query
from ops.runtime.ids import MessageId
from ops.runtime.objects import ObjectStore
from rag.store import VectorStore, VectorStoreUnavailable
from tests import campus
from tests.integration.retention.conftest import World, converse, overdue, session_of

SHARED = b"# Shared\n\nThree courses of two universities teach from this very file."
OWN = b"# Own\n\nOnly the course that goes has this file."
CITED = b"# Cited\n\nAn old answer rests on this sentence."


@dataclass(frozen=True)
class Deleted:
    """A deleted course with three documents; `kept` and `foreign` are those of others with the bytes of one of them."""

    course_id: UUID
    shared: UUID
    own: UUID
    cited: UUID
    kept: UUID
    foreign: UUID
    turn_id: MessageId

    @property
    def documents(self) -> set[UUID]:
        return {self.shared, self.own, self.cited}


async def _deleted_course(world: World) -> Deleted:
    home = world.home
    other = await campus.course(home.administrator, home.place, "C2")
    shared, own, cited = [
        await world.upload_for(home, data, f"{number}.md") for number, data in enumerate((SHARED, OWN, CITED))
    ]
    kept = await world.upload_for(home, SHARED, "kept.md", other.id)
    foreign = await world.upload_for(world.away, SHARED, "foreign.md")
    await world.work()
    learner = await campus.person(home.tenant, "learner", "student")
    for course_id in (home.course.id, other.id):
        await enrolments.enrol(home.administrator, course_id, learner.user_id)
        await rights.give(home.administrator, learner.user_id, NewGrant(role="academic", course_id=course_id))
    turn_id = await converse(home.administrator, home.course.id, cited)
    await service.delete_course(home.administrator, home.course.id)
    return Deleted(home.course.id, shared, own, cited, kept, foreign, turn_id)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _hashes(objects: ObjectStore, tenant_id: object) -> set[str]:
    """Of which files the store has the original or something derived."""
    keys = await objects.list(str(tenant_id))
    return {part for key in keys for part in key.split("/")[1:] if len(part) == hashlib.sha256().digest_size * 2}


async def _points(world: World, *document_ids: UUID) -> list[int]:
    return [await world.tools.vectors.count(document_id=each) for each in document_ids]


async def test_a_course_takes_its_documents_with_it_and_nobody_else_s(world: World) -> None:
    deleted = await _deleted_course(world)
    objects, vectors = world.tools.objects, world.tools.vectors
    assert await purge_deleted(objects, vectors) == 0
    assert all(await _points(world, *deleted.documents))
    others = await _points(world, deleted.kept, deleted.foreign)
    await overdue("courses", deleted.course_id)
    assert await academics.purge_courses() == 0, "its documents are still there"

    assert await purge_deleted(objects, vectors) == 3
    assert await purge_deleted(objects, vectors) == 0
    assert await academics.purge_courses() == 1
    assert await academics.purge_courses() == 0

    assert await _points(world, *deleted.documents) == [0, 0, 0]
    assert await _points(world, deleted.kept, deleted.foreign) == others != [0, 0]
    for table in ("passages", "document_versions"):
        held = set(await query.fetch_values(f"SELECT document_id FROM {table}"))
        assert held == {deleted.kept, deleted.foreign}, table
    assert await _hashes(objects, world.home.tenant.id) == {_hash(SHARED)}
    assert await _hashes(objects, world.away.tenant.id) == {_hash(SHARED)}
    for home, document_id in ((world.home, deleted.kept), (world.away, deleted.foreign)):
        text = await reading.read_text(home.administrator, objects, document_id, None)
        assert "Three courses" in text.text
    for table in ("enrolments", "grants"):
        assert deleted.course_id not in await query.fetch_values(f"SELECT course_id FROM {table}"), table
        assert await query.fetch_value(f"SELECT count(*) FROM {table} WHERE course_id IS NOT NULL") == 1, table
    assert await query.fetch_value("SELECT code || title FROM courses WHERE id = $1", deleted.course_id) == ""


async def test_an_old_answer_outlives_what_it_cites_and_the_names_outlive_the_answer_by_nothing(world: World) -> None:
    deleted = await _deleted_course(world)
    await overdue("courses", deleted.course_id)
    await purge_deleted(world.tools.objects, world.tools.vectors)
    await academics.purge_courses()

    assert await purge_uncited() == 2
    assert await academics.purge_bare_courses() == 0

    administrator = world.home.administrator
    answer = await history.answer(administrator, deleted.turn_id)
    assert [(view.title, view.quote, view.withdrawn) for view in answer.citations] == [("cited", None, True)]
    assert history.WITHDRAWN["en"] in answer.answer
    session_id = await session_of(deleted.turn_id)
    await history.delete_session(administrator, session_id)
    assert await purge_conversations() == 0
    await overdue("chat_sessions", session_id)
    assert await purge_conversations() == 1
    assert await query.fetch_value("SELECT count(*) FROM chat_citations") == 0
    assert await purge_uncited() == 1
    assert await academics.purge_bare_courses() == 1
    assert await query.fetch_values("SELECT id FROM courses WHERE deleted_at IS NOT NULL") == []
    assert set(await query.fetch_values("SELECT id FROM documents")) == {deleted.kept, deleted.foreign}
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action ~ '(purged|removed)$' ORDER BY id")
    assert acts == [
        *["document.purged"] * 3,
        "course.purged",
        "documents.removed",
        "chat.sessions_purged",
        "documents.removed",
        "courses.removed",
    ]


class Failing:
    """A part of which one method fails `times` times, after it has done its work or before."""

    def __init__(self, whole: Any, method: str, times: int, *, after: bool) -> None:
        self._whole, self._method, self._times, self._after = whole, method, times, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whole, name)
        return self._failing(found) if name == self._method else found

    def _failing(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def fail(*args: Any) -> Any:
            if self._times:
                self._times -= 1
                if self._after:
                    await method(*args)
                raise VectorStoreUnavailable("killed here")
            return await method(*args)

        return fail


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["points", "objects"])
async def test_a_purge_killed_in_the_middle_is_completed_by_the_next(world: World, step: str, after: bool) -> None:
    deleted = await _deleted_course(world)
    await overdue("courses", deleted.course_id)
    objects: Any = world.tools.objects
    vectors: Any = world.tools.vectors
    broken_objects: ObjectStore = Failing(objects, "delete", 1, after=after) if step == "objects" else objects  # type: ignore[assignment]
    broken_vectors: VectorStore = Failing(vectors, "delete_document", 1, after=after) if step == "points" else vectors

    with pytest.raises(VectorStoreUnavailable):
        await purge_deleted(broken_objects, broken_vectors)

    held = set(await query.fetch_values("SELECT document_id FROM document_versions")) & deleted.documents
    assert len(held) == 1, "the others are not held up"
    assert await academics.purge_courses() == 0
    assert await purge_deleted(objects, vectors) == 1
    assert await academics.purge_courses() == 1
    assert await _points(world, *deleted.documents) == [0, 0, 0]
    assert await _hashes(objects, world.home.tenant.id) == {_hash(SHARED)}
    assert set(await query.fetch_values("SELECT document_id FROM passages")) == {deleted.kept, deleted.foreign}


async def test_a_document_whose_points_were_never_pruned_loses_them_now(world: World) -> None:
    document_id = await world.upload_for(world.home, OWN, "own.md")
    await world.work()
    await documents.delete_document(world.home.administrator, document_id)
    await query.execute("UPDATE jobs SET state = 'dead' WHERE kind = 'documents.prune'")
    assert all(await _points(world, document_id))
    await overdue("documents", document_id)
    assert await purge_deleted(world.tools.objects, world.tools.vectors) == 1
    assert await _points(world, document_id) == [0]


async def test_places_go_when_nothing_is_left_under_them(world: World) -> None:
    home = world.home
    administrator, place = home.administrator, home.place
    await converse(administrator, home.course.id)
    dean = await campus.person(home.tenant, "dean")
    await rights.give(administrator, dean.user_id, NewGrant(role="academic", faculty_id=place.faculty_id))
    await service.delete_course(administrator, home.course.id)
    await places.delete_faculty(administrator, place.faculty_id)
    assert [await academics.purge_semesters(), await academics.purge_faculties()] == [0, 0]
    await overdue("semesters", place.semester_id)
    await overdue("faculties", place.faculty_id)
    assert [await academics.purge_semesters(), await academics.purge_faculties()] == [0, 0], "a course is left"
    await overdue("courses", home.course.id)
    assert await academics.purge_courses() == 1
    assert await academics.purge_bare_courses() == 0, "a conversation is about it"
    session_id = await query.fetch_value("SELECT id FROM chat_sessions")
    await history.delete_session(administrator, session_id)
    await overdue("chat_sessions", session_id)
    await purge_conversations()

    done = await academics.purge_bare_courses(), await academics.purge_faculties(), await academics.purge_semesters()
    assert done == (1, 0, 1), "a semester was left"
    assert await academics.purge_faculties() == 1

    assert await query.fetch_values("SELECT tenant_id FROM faculties") == [world.away.tenant.id]
    assert await query.fetch_values("SELECT tenant_id FROM semesters") == [world.away.tenant.id]
    assert await query.fetch_value("SELECT count(*) FROM grants WHERE faculty_id IS NOT NULL") == 0


async def test_ended_enrolments_and_taken_grants_are_kept_for_thirty_days(world: World) -> None:
    for table, ended in (("enrolments", "ended_at"), ("grants", "deleted_at")):
        for number, days in enumerate((None, 29, 31)):
            person = await campus.person(world.home.tenant, f"{table}{number}")
            if table == "enrolments":
                await enrolments.enrol(world.home.administrator, world.home.course.id, person.user_id)
            else:
                new = NewGrant(role="academic", course_id=world.home.course.id)
                await rights.give(world.home.administrator, person.user_id, new)
            if days is not None:
                change = f"UPDATE {table} SET {ended} = now() - $2 * interval '1 day' WHERE user_id = $1"
                await query.execute(change, person.user_id, float(days))
    assert [await academics.purge_enrolments(), await purge_grants()] == [1, 1]
    assert [await academics.purge_enrolments(), await purge_grants()] == [0, 0]
    assert await query.fetch_value("SELECT count(*) FROM enrolments") == 2
    assert await query.fetch_value("SELECT count(*) FROM grants WHERE course_id IS NOT NULL") == 2


async def test_conversations_of_two_tenants_are_noted_in_both_logs(world: World) -> None:
    for home in (world.home, world.away):
        session_id = await session_of(await converse(home.administrator, home.course.id))
        await history.delete_session(home.administrator, session_id)
        await overdue("chat_sessions", session_id)
    left = await session_of(await converse(world.away.administrator, world.away.course.id))
    assert await purge_conversations() == 2
    assert await query.fetch_values("SELECT id FROM chat_sessions") == [left]
    noted = await query.fetch_values("SELECT tenant_id FROM audit_log WHERE action = 'chat.sessions_purged'")
    assert set(noted) == {world.home.tenant.id, world.away.tenant.id}
