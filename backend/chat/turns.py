"""The two transactions of a turn: one stores the question, one how it ended. None is open while text flows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from backend.chat.errors import ConversationNotFound, TooManyOpenAnswers
from backend.chat.schemas import ChatRequest, CitationView, TurnState
from backend.chat.sealed import StoredPart, seal_answer, seal_question, seal_title, unseal_question
from backend.identity.keys import person_key
from backend.kit.subject import Subject
from backend.problems import Problem
from backend.search.service import seal_for_audit, searchable_scope
from db.repositories import chat
from db.repositories.chat import CitationRow, Ending, OpenTurnRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import ChatSessionId, CourseId, MessageId, TenantId, UserId, new_id
from rag.answer import Citation, Verdict
from rag.scope import Scope

PERMISSION = "chat.use"
MAX_OPEN_ANSWERS = 2
RETRY_SECONDS = 5

Reap = Callable[[Sequence[OpenTurnRow]], Awaitable[bool]]


class OpenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A stored question that waits for its answer. `previous` is the question before it in the conversation."""

    id: MessageId
    session_id: ChatSessionId
    tenant_id: TenantId
    user_id: UserId
    question: str
    previous: str
    scope: Scope
    course_id: CourseId | None
    request_id: str


class EndedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended."""

    state: TurnState
    verdict: Verdict
    degraded: bool
    language: str
    parts: Sequence[StoredPart]
    citations: Sequence[Citation]
    problem: Problem | None
    record: dict[str, Any]


async def open_turn(subject: Subject, request: ChatRequest, request_id: str, reap: Reap) -> OpenTurn:
    """Store the question, its audit row and the open turn.

    Args:
        reap: ends open turns whose process is gone; tells whether there were any.

    Raises:
        ConversationNotFound, CourseNotFound, PermissionMissing
        TooManyOpenAnswers: two answers are open.
    """
    course_id = request.course_id
    if request.session_id is not None and course_id is None:
        course_id = await _course_of(subject, request.session_id)
    scope = await searchable_scope(subject, course_id, PERMISSION)
    key = await person_key(subject.user_id)
    sealed = await seal_for_audit(subject, request.message)
    opened = await _store_question(subject, request, course_id, key, sealed)
    if opened is None and await reap(await chat.open_turns(subject.user_id)):
        opened = await _store_question(subject, request, course_id, key, sealed)
    if opened is None:
        detail = "Wait until one of your two open answers has ended, or stop it."
        raise TooManyOpenAnswers(detail, retry_after_seconds=RETRY_SECONDS)
    turn_id, session_id, previous = opened
    return OpenTurn(
        id=turn_id,
        session_id=session_id,
        tenant_id=subject.tenant_id,
        user_id=subject.user_id,
        question=request.message,
        previous=previous,
        scope=scope,
        course_id=course_id,
        request_id=request_id,
    )


async def close_turn(turn_id: MessageId, user_id: UserId, ended: EndedTurn) -> bool:
    """Store the answer, its citations and verdict; False when the turn has ended before.

    Raises:
        PersonKeyDestroyed: the person was erased meanwhile.
    """
    ending = Ending(
        state=ended.state,
        verdict=ended.verdict,
        degraded=ended.degraded,
        language=ended.language,
        answer_sealed=seal_answer(await person_key(user_id), turn_id, ended.parts) if ended.parts else None,
        problem=ended.problem,
        record=ended.record,
    )
    rows = [_row(turn_id, citation) for citation in ended.citations]
    async with unit_of_work() as uow:
        return await chat.finish_turn(uow, turn_id, ending, rows)


def citation_view(citation: Citation) -> CitationView:
    """Return the citation as readers get it."""
    return CitationView(
        marker=citation.marker,
        passage_id=citation.passage_id,
        document_id=citation.document_id,
        version=citation.version,
        title=citation.title,
        page=citation.page,
        quote=citation.quote,
        char_start=citation.char_start,
        char_end=citation.char_end,
    )


async def _course_of(subject: Subject, session_id: ChatSessionId) -> CourseId | None:
    session = await chat.session(session_id, subject.tenant_id, subject.user_id)
    if session is None:
        raise ConversationNotFound
    return session.course_id


async def _store_question(
    subject: Subject, request: ChatRequest, course_id: CourseId | None, key: bytes, sealed: bytes
) -> tuple[MessageId, ChatSessionId, str] | None:
    turn_id = MessageId(new_id())
    async with unit_of_work() as uow:
        await chat.lock_asker(uow, subject.user_id)
        if len(await chat.open_turns(subject.user_id)) >= MAX_OPEN_ANSWERS:
            return None
        session_id, previous = await _session(uow, subject, request, course_id, key)
        await chat.add_turn(
            uow,
            turn_id,
            session_id,
            subject.tenant_id,
            subject.user_id,
            course_id,
            seal_question(key, turn_id, request.message),
        )
        about = {"message_id": turn_id, "session_id": session_id, "course_id": course_id}
        await uow.audit(subject, "chat.asked", about, sealed=sealed)
    return turn_id, session_id, previous


async def _session(
    uow: UnitOfWork, subject: Subject, request: ChatRequest, course_id: CourseId | None, key: bytes
) -> tuple[ChatSessionId, str]:
    """Return the conversation to add to, locked, and its last question; begin one where none is named."""
    if request.session_id is None:
        session_id = ChatSessionId(new_id())
        title = seal_title(key, session_id, request.message)
        await chat.add_session(uow, session_id, subject.tenant_id, subject.user_id, course_id, title)
        return session_id, ""
    session = await chat.session(request.session_id, subject.tenant_id, subject.user_id, lock=True)
    if session is None:
        raise ConversationNotFound
    last = await chat.turns(session.id, before_ordinal=None, limit=1)
    return session.id, unseal_question(key, last[0].id, last[0].question_sealed) if last else ""


def _row(turn_id: MessageId, citation: Citation) -> CitationRow:
    return CitationRow(
        turn_id=turn_id,
        marker=citation.marker,
        document_id=citation.document_id,
        version=citation.version,
        passage_id=citation.passage_id,
        title=citation.title,
        page=citation.page,
        char_start=citation.char_start,
        char_end=citation.char_end,
    )
