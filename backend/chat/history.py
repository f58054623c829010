"""Stored turns as they may be read now.

A citation is resolved anew each time: one whose passage was deleted, replaced or left the reader's courses shows its title
and nothing of its text, and a sentence that rests on such citations alone gives way to a note.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from backend.academics.service import scope_for
from backend.chat.errors import ConversationNotFound, MessageNotFound
from backend.chat.events import Cited, Delta, Done, Event, Status, Trouble
from backend.chat.schemas import Answer, CitationView, Conversation, SessionView, Stage, TurnView
from backend.chat.sealed import StoredPart, unseal_answer, unseal_question, unseal_title
from backend.chat.turns import PERMISSION
from backend.documents.passages import passages_in_scope
from backend.identity.keys import person_key
from backend.kit.pagination import Page, decode_cursor, page_of
from backend.kit.subject import Subject
from backend.problems import Problem
from db.repositories import chat
from db.repositories.chat import CitationRow, SessionRow, TurnRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import ChatSessionId, MessageId
from rag.passages import ScopedPassage

WITHDRAWN = {
    "en": "(The source of this sentence is no longer available.)",
    "ar": "(مصدر هذه الجملة لم يعد متاحًا.)",
}


class _AfterSession(msgspec.Struct, frozen=True):
    updated_at: datetime
    id: UUID


class _BeforeTurn(msgspec.Struct, frozen=True):
    ordinal: int


class ReadTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn with its texts unsealed and its citations resolved."""

    row: TurnRow
    question: str
    parts: Sequence[StoredPart]
    citations: Sequence[CitationView]

    @property
    def answer(self) -> str:
        """The answer's text as it may be read now."""
        return "".join(part.text for part in self.parts)

    @property
    def problem(self) -> Problem | None:
        """What went wrong, if anything did."""
        return msgspec.json.decode(self.row.problem, type=Problem) if self.row.problem else None


async def list_sessions(subject: Subject, *, cursor: str | None, limit: int) -> Page[SessionView]:
    """Return the person's conversations, the one used last first.

    Raises:
        ValidationFailed: the cursor is not of this list.
    """
    after = decode_cursor(cursor, _AfterSession)
    rows = await chat.sessions(
        subject.tenant_id, subject.user_id, before=(after.updated_at, after.id) if after else None, limit=limit + 1
    )
    key = await person_key(subject.user_id)
    page = page_of(rows, limit, lambda row: _AfterSession(row.updated_at, row.id))
    return Page(items=[_session_view(row, key) for row in page.items], next_cursor=page.next_cursor)


async def conversation(subject: Subject, session_id: UUID, *, cursor: str | None, limit: int) -> Conversation:
    """Return a conversation with its latest turns, or those before the cursor.

    Raises:
        ConversationNotFound, ValidationFailed
    """
    row = await chat.session(session_id, subject.tenant_id, subject.user_id)
    if row is None:
        raise ConversationNotFound
    before = decode_cursor(cursor, _BeforeTurn)
    rows = await chat.turns(row.id, before_ordinal=before.ordinal if before else None, limit=limit + 1)
    page = page_of(rows, limit, lambda turn: _BeforeTurn(turn.ordinal))
    turns = [turn_view(turn) for turn in await read_turns(subject, list(page.items))]
    view = _session_view(row, await person_key(subject.user_id))
    return Conversation(
        id=view.id,
        title=view.title,
        course_id=view.course_id,
        created_at=view.created_at,
        updated_at=view.updated_at,
        turns=turns[::-1],
        next_cursor=page.next_cursor,
    )


async def delete_session(subject: Subject, session_id: UUID) -> list[MessageId]:
    """Delete a conversation; return its answers that are still open, to be stopped.

    Raises:
        ConversationNotFound
    """
    async with unit_of_work() as uow:
        row = await chat.session(session_id, subject.tenant_id, subject.user_id, lock=True)
        if row is None:
            raise ConversationNotFound
        newest = await chat.turns(row.id, before_ordinal=None, limit=10)
        await chat.delete_session(uow, row.id)
        await uow.audit(subject, "chat.session_deleted", {"session_id": row.id})
    return [turn.id for turn in newest if turn.state == "open"]


async def own_turn(subject: Subject, message_id: UUID) -> TurnRow:
    """Return the row of the person's turn.

    Raises:
        MessageNotFound
    """
    row = await chat.turn(message_id, subject.tenant_id, subject.user_id)
    if row is None:
        raise MessageNotFound
    return row


async def answer(subject: Subject, message_id: UUID) -> Answer:
    """Return the person's answer as it may be read now.

    Raises:
        MessageNotFound
    """
    (turn,) = await read_turns(subject, [await own_turn(subject, message_id)])
    return answer_of(turn)


async def read_turns(subject: Subject, rows: Sequence[TurnRow]) -> list[ReadTurn]:
    """Unseal turns of one person and resolve what they cite with that person's rights of now."""
    key = await person_key(subject.user_id)
    cited = await chat.citations([row.id for row in rows])
    resolved = await _resolve(subject, cited)
    return [_read(row, key, [view for row_id, view in resolved if row_id == row.id]) for row in rows]


def events_of(turn: ReadTurn) -> list[Event]:
    """Return the events a finished turn consists of: as many, and in the same order, as when it was given."""
    stages: list[Stage] = msgspec.json.decode(turn.row.record).get("stages", [])
    waiting = {view.marker: view for view in turn.citations}
    events: list[Event] = [Status(stage=stage) for stage in stages]
    for part in turn.parts:
        events.extend(Cited(citation=waiting.pop(marker)) for marker in part.markers if marker in waiting)
        events.append(Delta(text=part.text))
    if turn.problem is not None:
        events.append(Trouble(problem=turn.problem))
    events.append(Done(answer=answer_of(turn)))
    return events


def answer_of(turn: ReadTurn) -> Answer:
    """Return the whole answer of a finished turn."""
    return Answer(
        session_id=turn.row.session_id,
        message_id=turn.row.id,
        answer=turn.answer,
        verdict=turn.row.verdict or "partly",  # type: ignore[arg-type]  # the column's check constraint
        citations=turn.citations,
        degraded=turn.row.degraded,
    )


def turn_view(turn: ReadTurn) -> TurnView:
    """Return the turn as history shows it."""
    return TurnView(
        message_id=turn.row.id,
        ordinal=turn.row.ordinal,
        question=turn.question,
        answer=turn.answer,
        state=turn.row.state,  # type: ignore[arg-type]  # the column's check constraint
        verdict=turn.row.verdict,  # type: ignore[arg-type]
        degraded=turn.row.degraded,
        citations=turn.citations,
        problem=turn.problem,
        course_id=turn.row.course_id,
        created_at=turn.row.created_at,
        finished_at=turn.row.finished_at,
    )


async def _resolve(subject: Subject, cited: Sequence[CitationRow]) -> list[tuple[MessageId, CitationView]]:
    if not cited:
        return []
    scope = await scope_for(subject, PERMISSION)
    wanted = list(dict.fromkeys(row.passage_id for row in cited))
    found = {passage.passage_id: passage for passage in await passages_in_scope(wanted, scope)}
    views = []
    for row in cited:
        passage = found.get(row.passage_id)
        view = CitationView(
            marker=row.marker,
            passage_id=row.passage_id,
            document_id=row.document_id,
            version=row.version,
            title=passage.title if passage else row.title,
            page=row.page,
            quote=_quote(row, passage) if passage else None,
            char_start=row.char_start,
            char_end=row.char_end,
            withdrawn=passage is None,
        )
        views.append((row.turn_id, view))
    return views


def _quote(row: CitationRow, passage: ScopedPassage) -> str:
    return passage.text[row.char_start - passage.char_start : row.char_end - passage.char_start]


def _read(row: TurnRow, key: bytes, citations: list[CitationView]) -> ReadTurn:
    withdrawn = {view.marker for view in citations if view.withdrawn}
    note = WITHDRAWN["ar" if row.language == "ar" else "en"]
    parts = [
        _replaced(part, note) if part.markers and withdrawn.issuperset(part.markers) else part
        for part in unseal_answer(key, row.id, row.answer_sealed)
    ]
    return ReadTurn(
        row=row, question=unseal_question(key, row.id, row.question_sealed), parts=parts, citations=citations
    )


def _replaced(part: StoredPart, note: str) -> StoredPart:
    """Put the note in the sentence's place; its markers stay, so that the reader sees which source is gone."""
    text = part.text
    before = text[: len(text) - len(text.lstrip())]
    after = text[len(text.rstrip()) :]
    markers = "".join(f"[{marker}]" for marker in part.markers)
    return StoredPart(f"{before}{note} {markers}{after}", part.markers)


def _session_view(row: SessionRow, key: bytes) -> SessionView:
    return SessionView(
        id=row.id,
        title=unseal_title(key, ChatSessionId(row.id), row.title_sealed),
        course_id=row.course_id,
        turns=row.turn_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
