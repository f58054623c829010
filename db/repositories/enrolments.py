"""Who learns in which course."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import CourseId, EnrolmentId, UserId, new_id


class EnrolmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """An active enrolment with the person's name, as the API gives it."""

    id: EnrolmentId
    course_id: CourseId
    user_id: UserId
    display_name: str
    email: str
    created_at: datetime


class KnownEmail(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the tenant by address."""

    user_id: UserId
    email_normalised: str


_ENROLMENT = """
SELECT e.id, e.course_id, e.user_id, u.display_name, u.email, e.created_at
FROM enrolments e JOIN users u ON u.id = e.user_id
WHERE e.course_id = $1 AND e.ended_at IS NULL AND u.deleted_at IS NULL
"""


async def active(course_id: UUID, *, after_id: UUID | None, limit: int) -> list[EnrolmentRow]:
    """Return a course's active enrolments, oldest first."""
    return await query.fetch(
        EnrolmentRow,
        f"{_ENROLMENT} AND ($2::uuid IS NULL OR e.id > $2) ORDER BY e.id LIMIT $3",
        course_id,
        after_id,
        limit,
    )


async def one(course_id: UUID, enrolment_id: UUID) -> EnrolmentRow | None:
    """Return an active enrolment of the course."""
    return await query.fetch_one(EnrolmentRow, f"{_ENROLMENT} AND e.id = $2", course_id, enrolment_id)


async def known_emails(tenant_id: UUID, emails_normalised: Sequence[str]) -> list[KnownEmail]:
    """Return which of the addresses belong to active people of the tenant."""
    return await query.fetch(
        KnownEmail,
        """SELECT id AS user_id, email_normalised FROM users
           WHERE tenant_id = $1 AND email_normalised = ANY($2) AND deleted_at IS NULL AND state = 'active'""",
        tenant_id,
        list(emails_normalised),
    )


async def add(
    uow: UnitOfWork, tenant_id: UUID, course_id: UUID, user_ids: Sequence[UUID], created_by: UUID
) -> dict[UUID, EnrolmentId]:
    """Enrol people in a course that is held; return the new enrolments by person, without those who were enrolled already."""
    del uow
    fresh = {user_id: EnrolmentId(new_id()) for user_id in sorted(set(user_ids))}
    added = await query.fetch_values(
        """INSERT INTO enrolments (id, tenant_id, course_id, user_id, created_by, created_at)
           SELECT pair.id, $1, $2, pair.user_id, $3, now() FROM unnest($4::uuid[], $5::uuid[]) AS pair (id, user_id)
           ON CONFLICT (course_id, user_id) WHERE ended_at IS NULL DO NOTHING RETURNING user_id""",
        tenant_id,
        course_id,
        created_by,
        list(fresh.values()),
        list(fresh),
    )
    return {user_id: fresh[user_id] for user_id in added}


async def end(uow: UnitOfWork, course_id: UUID, enrolment_id: UUID) -> UserId | None:
    """End an active enrolment; return whose it was."""
    del uow
    user_id: UserId | None = await query.fetch_value(
        """UPDATE enrolments SET ended_at = now() WHERE course_id = $1 AND id = $2 AND ended_at IS NULL
           RETURNING user_id""",
        course_id,
        enrolment_id,
    )
    return user_id


async def end_all(uow: UnitOfWork, course_id: UUID) -> list[UserId]:
    """End every active enrolment of a course that is held; return whose they were."""
    del uow
    return await query.fetch_values(
        "UPDATE enrolments SET ended_at = now() WHERE course_id = $1 AND ended_at IS NULL RETURNING user_id", course_id
    )


async def resume_all(uow: UnitOfWork, course_id: UUID) -> list[UserId]:
    """Let the enrolments that the deletion of a course, which is held, has ended go on; return whose they are."""
    del uow
    return await query.fetch_values(
        """UPDATE enrolments e SET ended_at = NULL FROM courses c
           WHERE c.id = $1 AND e.course_id = c.id AND e.ended_at = c.deleted_at RETURNING e.user_id""",
        course_id,
    )
