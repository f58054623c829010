"""Conversations. What a person wrote and was answered is sealed with the person's key."""

from piccolo.columns import JSONB, Boolean, Bytea, Integer, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.academics import Course
from db.tables.base import created, moment, primary_key, reference
from db.tables.documents import Document
from db.tables.identity import Tenant, User


class ChatSession(Table, tablename="chat_sessions", db=ENGINE):
    """A conversation of one person, about one course or about all readable ones."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = reference(User)
    course_id = reference(Course, null=True)
    title_sealed = Bytea()
    created_at = created()
    updated_at = created()
    deleted_at = moment()
    purge_after = moment()


class ChatTurn(Table, tablename="chat_turns", db=ENGINE):
    """A question and its answer; the id is the answer's message id. `record` holds what is needed to run it again."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    session_id = reference(ChatSession)
    user_id = reference(User)
    course_id = reference(Course, null=True)
    ordinal = Integer()
    question_sealed = Bytea()
    answer_sealed = Bytea(null=True, default=None)
    language = Text()
    state = Text(default="open")
    verdict = Text(null=True, default=None)
    degraded = Boolean(default=False)
    problem = JSONB(null=True, default=None)
    record = JSONB(default="{}")
    created_at = created()
    finished_at = moment()


class ChatCitation(Table, tablename="chat_citations", db=ENGINE):
    """A span an answer rests on. The quote is read from the passage, so that it goes when the document goes."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    turn_id = reference(ChatTurn)
    marker = Integer()
    document_id = reference(Document)
    version = Integer()
    passage_id = UUIDColumn(default=None)
    title = Text()
    page = Integer(null=True, default=None)
    char_start = Integer()
    char_end = Integer()
