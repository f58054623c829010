"""An installation with two tenants, and what to do with it to let time pass."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from backend.chat.sealed import StoredPart, seal_answer, seal_question, seal_title
from backend.identity.keys import person_key
from backend.kit.subject import Subject
from backend.search.service import seal_for_audit
from db import query
from db.repositories import chat
from db.repositories.chat import CitationRow, Ending
from db.unit_of_work import unit_of_work
from ops.runtime.ids import ChatSessionId, CourseId, MessageId, new_id
from tests import installation as installations
from tests.installation import Home, Installation, furnish

installation = installations.installation

QUESTION = "What is kept?"


@dataclass(frozen=True)
class World(Installation):
    """`home` and `away` are two tenants of one installation."""

    away: Home

    async def upload_for(self, home: Home, data: bytes, name: str, course_id: UUID | None = None) -> UUID:
        """Upload as that tenant's administrator."""
        course_id = course_id or home.course.id
        return (await self.upload(data, name, course_id=course_id, subject=home.administrator)).id


@pytest.fixture
async def world(installation: Installation) -> World:
    return World(**vars(installation), away=await furnish("south"))


async def overdue(table: str, row_id: UUID) -> None:
    """Let the purge date of something deleted come."""
    touched = await query.execute(
        f"UPDATE {table} SET purge_after = now() WHERE id = $1 AND deleted_at IS NOT NULL", row_id
    )
    assert touched == 1


async def converse(subject: Subject, course_id: CourseId, cited: UUID | None = None) -> MessageId:
    """Store a conversation of one turn, as the tutor does; its answer rests on the first passage of `cited`."""
    session_id, turn_id = ChatSessionId(new_id()), MessageId(new_id())
    key, place = await person_key(subject.user_id), (subject.tenant_id, subject.user_id, course_id)
    citations = [] if cited is None else [await _citation(turn_id, cited)]
    parts = [StoredPart(text="The first passage says so.", markers=tuple(each.marker for each in citations))]
    ending = Ending(
        state="done",
        verdict="answered",
        degraded=True,
        language="en",
        answer_sealed=seal_answer(key, turn_id, parts),
        problem=None,
        record={},
    )
    async with unit_of_work() as uow:
        await chat.add_session(uow, session_id, *place, seal_title(key, session_id, QUESTION))
        await chat.add_turn(uow, turn_id, session_id, *place, seal_question(key, turn_id, QUESTION))
        await chat.finish_turn(uow, turn_id, ending, citations)
        asked = await seal_for_audit(subject, QUESTION)
        await uow.audit(subject, "chat.asked", {"message_id": turn_id}, sealed=asked)
    return turn_id


async def session_of(turn_id: MessageId) -> UUID:
    """The conversation of a turn."""
    found: UUID = await query.fetch_value("SELECT session_id FROM chat_turns WHERE id = $1", turn_id)
    return found


async def _citation(turn_id: MessageId, document_id: UUID) -> CitationRow:
    passage_id = await query.fetch_value("SELECT id FROM passages WHERE document_id = $1 ORDER BY ordinal", document_id)
    return CitationRow(
        turn_id=turn_id,
        marker=1,
        document_id=document_id,
        version=1,
        passage_id=passage_id,
        title="cited",
        page=None,
        char_start=0,
        char_end=5,
    )
