"""What chat takes and gives."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.problems import Problem
from ops.runtime.ids import ChatSessionId, CourseId, MessageId
from rag.answer import Verdict

MAX_MESSAGE_CHARACTERS = 4000

MessageText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE_CHARACTERS, pattern=r"\S")]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
TurnState = Literal["open", "done", "stopped", "interrupted", "failed"]
Stage = Literal["searching", "writing"]


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question. Without `session_id` it begins a conversation; without `course_id` all of the person's courses answer."""

    message: MessageText
    session_id: ChatSessionId | None = None
    course_id: CourseId | None = None


class CitationView(msgspec.Struct, frozen=True, kw_only=True):
    """What `[marker]` in an answer stands for: `quote` is the version's text from `char_start` to `char_end`, in code points.

    A source that was deleted, replaced or is out of the reader's courses is `withdrawn` and has no quote.
    """

    marker: int
    passage_id: UUID
    document_id: UUID
    version: int
    title: str
    page: int | None
    quote: str | None
    char_start: int
    char_end: int
    withdrawn: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. `degraded`: it quotes the material because no model writes; `partly`: something had to be left out."""

    session_id: ChatSessionId
    message_id: MessageId
    answer: str
    verdict: Verdict
    citations: Sequence[CitationView]
    degraded: bool


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in a list."""

    id: ChatSessionId
    title: str
    course_id: CourseId | None
    turns: int
    created_at: datetime
    updated_at: datetime


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """A question and its answer as they may be read now; `verdict` is null while the answer is open."""

    message_id: MessageId
    ordinal: int
    question: str
    answer: str
    state: TurnState
    verdict: Verdict | None
    degraded: bool
    citations: Sequence[CitationView]
    problem: Problem | None
    course_id: CourseId | None
    created_at: datetime
    finished_at: datetime | None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation with a page of its turns, in order; `next_cursor` leads to earlier ones."""

    id: ChatSessionId
    title: str
    course_id: CourseId | None
    created_at: datetime
    updated_at: datetime
    turns: Sequence[TurnView]
    next_cursor: str | None


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the answer was open when the stop was asked for."""

    message_id: MessageId
    was_open: bool
