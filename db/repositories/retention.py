"""What is past its date goes for good, in transactions that ask again, under a lock, whether it is.

The log of acts stays whole: it speaks of people by their ids, and what they wrote is sealed with keys that go with them.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork

KEPT_DAYS: Final = 30
"""How long enrolments and grants, which have no purge date of their own, are kept after their end."""


class DueRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something whose time has come."""

    id: UUID
    tenant_id: UUID


async def due_people(limit: int) -> list[DueRow]:
    """Return deleted people past their purge date, the longest overdue first."""
    return await _due("users", limit)


async def purge_person(uow: UnitOfWork, user_id: UUID) -> bool:
    """Delete a person with key, conversations, sessions, rights and enrolments; False when they are not due (any more)."""
    if not await _held(uow, "users", [user_id]):
        return False
    await _delete_conversations("user_id", [user_id])
    for statement in (
        "DELETE FROM refresh_tokens r USING auth_sessions s WHERE s.id = r.session_id AND s.user_id = $1",
        "DELETE FROM one_time_tokens WHERE user_id = $1",
        "DELETE FROM auth_sessions WHERE user_id = $1",
        "DELETE FROM idempotency_keys WHERE user_id = $1",
        "DELETE FROM enrolments WHERE user_id = $1",
        "DELETE FROM grants WHERE user_id = $1",
        "DELETE FROM quotas WHERE level = 'person' AND subject_id = $1",
        "UPDATE inference_logs SET user_id = NULL, request_id = '', text_sealed = NULL WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ):
        await query.execute(statement, user_id)
    return True


async def due_conversations(limit: int) -> list[DueRow]:
    """Return deleted conversations past their purge date, the longest overdue first."""
    return await _due("chat_sessions", limit)


async def purge_conversations(uow: UnitOfWork, session_ids: Sequence[UUID]) -> list[UUID]:
    """Delete those of the conversations that are due, with their turns; return which."""
    held = await _held(uow, "chat_sessions", session_ids)
    await _delete_conversations("session_id", held)
    return held


async def due_courses(limit: int) -> list[DueRow]:
    """Return deleted courses past their purge date whose documents have all been destroyed."""
    return await query.fetch(
        DueRow,
        """SELECT c.id, c.tenant_id FROM courses c WHERE c.purge_after <= now() AND NOT EXISTS (
               SELECT FROM documents d WHERE d.course_id = c.id AND (d.deleted_at IS NULL OR d.purge_after IS NOT NULL))
           ORDER BY c.purge_after, c.id LIMIT $1""",
        limit,
    )


async def purge_course(uow: UnitOfWork, course_id: UUID) -> bool:
    """Delete a course's enrolments and grants and empty its row; False when it is not due (any more).

    The row, without a name, bears what old conversations cite, until `purge_bare_courses` finds nothing that needs it.
    """
    if not await _held(uow, "courses", [course_id]):
        return False
    await query.execute("DELETE FROM enrolments WHERE course_id = $1", course_id)
    await query.execute("DELETE FROM grants WHERE course_id = $1", course_id)
    await query.execute("DELETE FROM quotas WHERE level = 'course' AND subject_id = $1", course_id)
    await query.execute(
        "UPDATE courses SET code = '', title = '', purge_after = NULL, updated_at = now() WHERE id = $1", course_id
    )
    return True


async def purge_uncited_documents(uow: UnitOfWork, limit: int) -> list[DueRow]:
    """Delete the rows of destroyed documents that no stored answer cites (any more); return which."""
    del uow
    return await query.fetch(
        DueRow,
        """DELETE FROM documents WHERE id IN (
               SELECT d.id FROM documents d WHERE d.deleted_at IS NOT NULL AND d.purge_after IS NULL
                 AND NOT EXISTS (SELECT FROM chat_citations c WHERE c.document_id = d.id)
                 AND NOT EXISTS (SELECT FROM document_versions v WHERE v.document_id = d.id)
               ORDER BY d.id LIMIT $1 FOR UPDATE) RETURNING id, tenant_id""",
        limit,
    )


async def purge_bare_courses(uow: UnitOfWork, limit: int) -> list[DueRow]:
    """Delete the rows of emptied courses that no document and no conversation needs (any more); return which."""
    del uow
    return await query.fetch(
        DueRow,
        """DELETE FROM courses WHERE id IN (
               SELECT c.id FROM courses c WHERE c.deleted_at IS NOT NULL AND c.purge_after IS NULL
                 AND NOT EXISTS (SELECT FROM documents d WHERE d.course_id = c.id)
                 AND NOT EXISTS (SELECT FROM chat_sessions s WHERE s.course_id = c.id)
                 AND NOT EXISTS (SELECT FROM chat_turns t WHERE t.course_id = c.id)
               ORDER BY c.id LIMIT $1 FOR UPDATE) RETURNING id, tenant_id""",
        limit,
    )


async def purge_semesters(uow: UnitOfWork, limit: int) -> list[DueRow]:
    """Delete semesters past their purge date that have no course left, deleted ones included; return which."""
    del uow
    return await query.fetch(
        DueRow,
        """DELETE FROM semesters WHERE id IN (
               SELECT s.id FROM semesters s WHERE s.purge_after <= now()
                 AND NOT EXISTS (SELECT FROM courses c WHERE c.semester_id = s.id)
               ORDER BY s.id LIMIT $1 FOR UPDATE) RETURNING id, tenant_id""",
        limit,
    )


async def purge_faculties(uow: UnitOfWork, limit: int) -> list[DueRow]:
    """Delete faculties past their purge date that have no course and no semester left, and grants there; return which."""
    del uow
    due: list[UUID] = await query.fetch_values(
        """SELECT f.id FROM faculties f WHERE f.purge_after <= now()
             AND NOT EXISTS (SELECT FROM courses c WHERE c.faculty_id = f.id)
             AND NOT EXISTS (SELECT FROM semesters s WHERE s.faculty_id = f.id)
           ORDER BY f.id LIMIT $1 FOR UPDATE""",
        limit,
    )
    await query.execute("DELETE FROM grants WHERE faculty_id = ANY($1)", due)
    return await query.fetch(DueRow, "DELETE FROM faculties WHERE id = ANY($1) RETURNING id, tenant_id", due)


async def purge_enrolments(uow: UnitOfWork, limit: int) -> list[DueRow]:
    """Delete enrolments that ended long ago; return which."""
    return await _purge_ended(uow, "enrolments", "ended_at", limit)


async def purge_grants(uow: UnitOfWork, limit: int) -> list[DueRow]:
    """Delete grants that were taken back long ago; return which."""
    return await _purge_ended(uow, "grants", "deleted_at", limit)


async def _due(table: str, limit: int) -> list[DueRow]:
    return await query.fetch(
        DueRow, f"SELECT id, tenant_id FROM {table} WHERE purge_after <= now() ORDER BY purge_after, id LIMIT $1", limit
    )


async def _held(uow: UnitOfWork, table: str, ids: Sequence[UUID]) -> list[UUID]:
    """Lock those rows that are due; what was recovered or purged meanwhile is not among them."""
    del uow
    return await query.fetch_values(
        f"SELECT id FROM {table} WHERE id = ANY($1) AND purge_after <= now() ORDER BY id FOR UPDATE", list(ids)
    )


async def _delete_conversations(of: str, ids: Sequence[UUID]) -> None:
    """Delete the turns whose column `of` is one of `ids`, what they cite, and the conversations."""
    sessions = "id" if of == "session_id" else of
    for statement in (
        f"DELETE FROM chat_citations c USING chat_turns t WHERE t.id = c.turn_id AND t.{of} = ANY($1)",
        f"DELETE FROM chat_turns WHERE {of} = ANY($1)",
        f"DELETE FROM chat_sessions WHERE {sessions} = ANY($1)",
    ):
        await query.execute(statement, list(ids))


async def _purge_ended(uow: UnitOfWork, table: str, ended: str, limit: int) -> list[DueRow]:
    del uow
    return await query.fetch(
        DueRow,
        f"""DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {ended} <= now() - $2 * interval '1 day'
                                             ORDER BY id LIMIT $1 FOR UPDATE) RETURNING id, tenant_id""",
        limit,
        float(KEPT_DAYS),
    )
