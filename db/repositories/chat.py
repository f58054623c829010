"""Conversations: sessions, turns and what answers rest on. Texts are sealed before they come here."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import ChatSessionId, CourseId, MessageId, TenantId, UserId, new_id

# "LYCH": the class of the advisory locks under which a person's open answers are counted.
ASKER_LOCK_CLASS = 0x4C59_4348
PURGE_AFTER_DAYS = 30


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation of one person."""

    id: ChatSessionId
    tenant_id: TenantId
    user_id: UserId
    course_id: CourseId | None
    title_sealed: bytes
    turn_count: int
    created_at: datetime
    updated_at: datetime


class TurnRow(msgspec.Struct, frozen=True, kw_only=True):
    """A question and its answer; `problem` and `record` are JSON text."""

    id: MessageId
    tenant_id: TenantId
    session_id: ChatSessionId
    user_id: UserId
    course_id: CourseId | None
    ordinal: int
    question_sealed: bytes
    answer_sealed: bytes | None
    language: str
    state: str
    verdict: str | None
    degraded: bool
    problem: str | None
    record: str
    created_at: datetime
    finished_at: datetime | None
    age_seconds: float


class CitationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A span an answer rests on; the quote is not stored."""

    turn_id: MessageId
    marker: int
    document_id: UUID
    version: int
    passage_id: UUID
    title: str
    page: int | None
    char_start: int
    char_end: int


class OpenTurnRow(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that has not ended."""

    id: MessageId
    age_seconds: float


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended, as it is stored."""

    state: str
    verdict: str
    degraded: bool
    language: str
    answer_sealed: bytes | None
    problem: Any
    record: Any


_SESSION = """s.id, s.tenant_id, s.user_id, s.course_id, s.title_sealed, s.created_at, s.updated_at,
    (SELECT count(*) FROM chat_turns t WHERE t.session_id = s.id)::int AS turn_count"""
_TURN = """t.id, t.tenant_id, t.session_id, t.user_id, t.course_id, t.ordinal, t.question_sealed, t.answer_sealed,
    t.language, t.state, t.verdict, t.degraded, t.problem, t.record, t.created_at, t.finished_at,
    extract(epoch FROM now() - t.created_at)::float8 AS age_seconds"""
_CITATION = ", ".join(CitationRow.__struct_fields__)


async def lock_asker(uow: UnitOfWork, user_id: UserId) -> None:
    """Let one transaction at a time count and open answers of that person."""
    del uow  # proof that a transaction is open
    await query.execute("SELECT pg_advisory_xact_lock($1::int, hashtext($2))", ASKER_LOCK_CLASS, str(user_id))


async def open_turns(user_id: UserId) -> list[OpenTurnRow]:
    """Return the person's answers that have not ended, oldest first."""
    return await query.fetch(
        OpenTurnRow,
        """SELECT id, extract(epoch FROM now() - created_at)::float8 AS age_seconds
           FROM chat_turns WHERE user_id = $1 AND state = 'open' ORDER BY id""",
        user_id,
    )


async def session(session_id: UUID, tenant_id: TenantId, user_id: UserId, *, lock: bool = False) -> SessionRow | None:
    """Return that person's conversation unless it was deleted; with `lock` nobody else adds to it meanwhile."""
    return await query.fetch_one(
        SessionRow,
        f"""SELECT {_SESSION} FROM chat_sessions s
            WHERE s.id = $1 AND s.tenant_id = $2 AND s.user_id = $3 AND s.deleted_at IS NULL
            {"FOR UPDATE" if lock else ""}""",
        session_id,
        tenant_id,
        user_id,
    )


async def sessions(
    tenant_id: TenantId, user_id: UserId, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[SessionRow]:
    """Return that person's conversations, the one used last first."""
    moment, identifier = before or (None, None)
    return await query.fetch(
        SessionRow,
        f"""SELECT {_SESSION} FROM chat_sessions s WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.deleted_at IS NULL
              AND ($3::timestamptz IS NULL OR (s.updated_at, s.id) < ($3, $4))
            ORDER BY s.updated_at DESC, s.id DESC LIMIT $5""",
        tenant_id,
        user_id,
        moment,
        identifier,
        limit,
    )


async def add_session(
    uow: UnitOfWork,
    session_id: ChatSessionId,
    tenant_id: TenantId,
    user_id: UserId,
    course_id: CourseId | None,
    title_sealed: bytes,
) -> None:
    """Begin a conversation."""
    del uow
    await query.execute(
        """INSERT INTO chat_sessions (id, tenant_id, user_id, course_id, title_sealed, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, now(), now())""",
        session_id,
        tenant_id,
        user_id,
        course_id,
        title_sealed,
    )


async def delete_session(uow: UnitOfWork, session_id: ChatSessionId) -> None:
    """Hide a conversation until its purge date."""
    del uow
    await query.execute(
        """UPDATE chat_sessions SET deleted_at = now(), purge_after = now() + $2 * interval '1 day'
           WHERE id = $1 AND deleted_at IS NULL""",
        session_id,
        PURGE_AFTER_DAYS,
    )


async def add_turn(
    uow: UnitOfWork,
    turn_id: MessageId,
    session_id: ChatSessionId,
    tenant_id: TenantId,
    user_id: UserId,
    course_id: CourseId | None,
    question_sealed: bytes,
) -> None:
    """Store a question as the conversation's next turn; the conversation's row must be new or locked."""
    del uow
    await query.execute(
        """INSERT INTO chat_turns (id, tenant_id, session_id, user_id, course_id, ordinal, question_sealed, language, state,
                                   degraded, record, created_at)
           SELECT $1, $2, $3, $4, $5, coalesce(max(ordinal), 0) + 1, $6, '', 'open', false, '{}', now()
           FROM chat_turns WHERE session_id = $3""",
        turn_id,
        tenant_id,
        session_id,
        user_id,
        course_id,
        question_sealed,
    )
    await query.execute("UPDATE chat_sessions SET updated_at = now() WHERE id = $1", session_id)


async def finish_turn(uow: UnitOfWork, turn_id: MessageId, ending: Ending, citations: list[CitationRow]) -> bool:
    """Store how an open turn ended; False when it has ended before, and then nothing is stored."""
    del uow
    updated = await query.execute(
        """UPDATE chat_turns SET state = $2, verdict = $3, degraded = $4, language = $5, answer_sealed = $6, problem = $7,
                                 record = $8, finished_at = now()
           WHERE id = $1 AND state = 'open'""",
        turn_id,
        ending.state,
        ending.verdict,
        ending.degraded,
        ending.language,
        ending.answer_sealed,
        None if ending.problem is None else query.to_json(ending.problem),
        query.to_json(ending.record),
    )
    if updated and citations:
        await _add_citations(turn_id, citations)
    return updated == 1


async def turn(turn_id: UUID, tenant_id: TenantId, user_id: UserId) -> TurnRow | None:
    """Return that person's turn unless its conversation was deleted."""
    return await query.fetch_one(
        TurnRow,
        f"""SELECT {_TURN} FROM chat_turns t JOIN chat_sessions s ON s.id = t.session_id
            WHERE t.id = $1 AND t.tenant_id = $2 AND t.user_id = $3 AND s.deleted_at IS NULL""",
        turn_id,
        tenant_id,
        user_id,
    )


async def turns(session_id: ChatSessionId, *, before_ordinal: int | None, limit: int) -> list[TurnRow]:
    """Return a conversation's turns, newest first."""
    return await query.fetch(
        TurnRow,
        f"""SELECT {_TURN} FROM chat_turns t WHERE t.session_id = $1 AND ($2::int IS NULL OR t.ordinal < $2)
            ORDER BY t.ordinal DESC LIMIT $3""",
        session_id,
        before_ordinal,
        limit,
    )


async def citations(turn_ids: list[MessageId]) -> list[CitationRow]:
    """Return what those turns rest on, by marker."""
    return await query.fetch(
        CitationRow,
        f"SELECT {_CITATION} FROM chat_citations WHERE turn_id = ANY($1) ORDER BY turn_id, marker",
        turn_ids,
    )


async def _add_citations(turn_id: MessageId, citations: list[CitationRow]) -> None:
    await query.execute_many(
        f"""INSERT INTO chat_citations (id, tenant_id, {_CITATION})
            SELECT $1, tenant_id, id, $3, $4, $5, $6, $7, $8, $9, $10 FROM chat_turns WHERE id = $2""",
        [
            (
                new_id(),
                turn_id,
                row.marker,
                row.document_id,
                row.version,
                row.passage_id,
                row.title,
                row.page,
                row.char_start,
                row.char_end,
            )
            for row in citations
        ],
    )
