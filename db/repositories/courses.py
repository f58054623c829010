"""Courses, and who may read which now."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.repositories.places import HIDE, SHOW, Places, listed, lock, made
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import CourseId, FacultyId, SemesterId, TenantId, new_id


class CourseRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A course, as the API gives it; only a deleted one has a purge date."""

    id: CourseId
    faculty_id: FacultyId
    semester_id: SemesterId
    code: str
    title: str
    document_set_version: int
    created_at: datetime
    updated_at: datetime
    purge_after: datetime | None = None


class ReadableCourse(msgspec.Struct, frozen=True, kw_only=True):
    """A course somebody may search, with what its points carry."""

    course_id: CourseId
    faculty_id: FacultyId
    semester_id: SemesterId
    document_set_version: int


COURSE = ", ".join(CourseRow.__struct_fields__)

# Decided by live grants and enrolments alone: never by a cached subject, a role's name or a semester's dates. What the
# person holds is looked up first and put into arrays, so that the cost grows with that and not with the tenant.
_READABLE = """
WITH held AS MATERIALIZED (
    SELECT g.faculty_id, g.course_id, r.permissions, g.faculty_id IS NULL AND g.course_id IS NULL AS everywhere
    FROM grants g JOIN roles r ON r.id = g.role_id JOIN users u ON u.id = g.user_id
    WHERE g.user_id = $2 AND g.deleted_at IS NULL AND r.deleted_at IS NULL
      AND u.tenant_id = $1 AND u.state = 'active' AND u.deleted_at IS NULL
)
SELECT c.id AS course_id, c.faculty_id, c.semester_id, c.document_set_version FROM courses c
WHERE c.tenant_id = $1 AND c.deleted_at IS NULL
  AND EXISTS (SELECT FROM held WHERE everywhere AND $3 = ANY(permissions))
UNION ALL
SELECT c.id, c.faculty_id, c.semester_id, c.document_set_version FROM courses c
WHERE c.tenant_id = $1 AND c.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM held WHERE everywhere AND $3 = ANY(permissions))
  AND (c.faculty_id = ANY(ARRAY(SELECT faculty_id FROM held WHERE faculty_id IS NOT NULL AND $3 = ANY(permissions)))
    OR c.id = ANY(ARRAY(
        SELECT course_id FROM held WHERE course_id IS NOT NULL AND $3 = ANY(permissions)
        UNION ALL
        SELECT e.course_id FROM enrolments e WHERE $4 AND e.user_id = $2 AND e.ended_at IS NULL
          AND EXISTS (SELECT FROM held WHERE 'course.learn' = ANY(permissions)))))
ORDER BY course_id
"""


async def readable_courses(
    tenant_id: TenantId, user_id: UUID, permission: str, *, learners_too: bool
) -> list[ReadableCourse]:
    """Return the courses where the person holds `permission` now, by id; `learners_too` when enrolments give it."""
    return await query.fetch(ReadableCourse, _READABLE, tenant_id, user_id, permission, learners_too)


async def live_courses(*, faculty_id: UUID | None = None, semester_id: UUID | None = None) -> int:
    """Return how many live courses a faculty or a semester has."""
    return int(
        await query.fetch_value(
            """SELECT count(*) FROM courses WHERE deleted_at IS NULL AND ($1::uuid IS NULL OR faculty_id = $1)
               AND ($2::uuid IS NULL OR semester_id = $2)""",
            faculty_id,
            semester_id,
        )
    )


async def course(course_id: UUID, tenant_id: UUID) -> CourseRow | None:
    """Return a live course."""
    return await query.fetch_one(
        CourseRow,
        f"SELECT {COURSE} FROM courses WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL",
        course_id,
        tenant_id,
    )


async def hold_course(uow: UnitOfWork, course_id: UUID, tenant_id: UUID, *, to_change: bool) -> CourseRow | None:
    """As `course`; it cannot be deleted or moved (`to_change`: nor held by others) until the transaction ends."""
    del uow
    return await query.fetch_one(
        CourseRow,
        f"SELECT {COURSE} FROM courses WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL {lock(to_change)}",
        course_id,
        tenant_id,
    )


async def hold_deleted_course(uow: UnitOfWork, course_id: UUID, tenant_id: UUID) -> CourseRow | None:
    """Return a course that can be restored; nobody else restores or purges it until the transaction ends."""
    del uow
    return await query.fetch_one(
        CourseRow,
        f"SELECT {COURSE} FROM courses WHERE id = $1 AND tenant_id = $2 AND {listed(True)} {lock(True)}",
        course_id,
        tenant_id,
    )


async def faculty_of_course(course_id: UUID, tenant_id: UUID, *, with_deleted: bool = False) -> FacultyId | None:
    """Return which faculty owns a course."""
    owner: FacultyId | None = await query.fetch_value(
        "SELECT faculty_id FROM courses WHERE id = $1 AND tenant_id = $2 AND ($3 OR deleted_at IS NULL)",
        course_id,
        tenant_id,
        with_deleted,
    )
    return owner


_COURSES = f"""
SELECT {COURSE} FROM courses
WHERE tenant_id = $1 AND {{state}} {{placed}}
  AND ($5::uuid IS NULL OR faculty_id = $5) AND ($6::uuid IS NULL OR semester_id = $6)
  AND ($7::text IS NULL OR position(lower($7) IN lower(title)) > 0 OR position(lower($7) IN lower(code)) > 0)
  AND ($8::uuid IS NULL OR id > $8)
ORDER BY id LIMIT $9
"""
# Two statements, because one with `$2 OR …` would walk the whole tenant for somebody with three courses.
_EVERYWHERE = "AND $2 AND $3::uuid[] IS NOT NULL AND $4::uuid[] IS NOT NULL"
_PLACED = "AND NOT $2 AND (faculty_id = ANY($3) OR id = ANY($4))"


async def courses(
    tenant_id: UUID,
    places: Places,
    *,
    deleted: bool = False,
    faculty_id: UUID | None,
    semester_id: UUID | None,
    text: str | None,
    after_id: UUID | None,
    limit: int,
) -> list[CourseRow]:
    """Return the courses of `places`, by id; with `deleted` those that can be restored."""
    return await query.fetch(
        CourseRow,
        _COURSES.format(state=listed(deleted), placed=_EVERYWHERE if places.everywhere else _PLACED),
        tenant_id,
        *places.arguments(),
        faculty_id,
        semester_id,
        text,
        after_id,
        limit,
    )


async def add_course(
    uow: UnitOfWork, tenant_id: UUID, *, faculty_id: UUID, semester_id: UUID, code: str, title: str
) -> CourseRow:
    """Add a course to a semester that is held.

    Raises:
        UniqueViolation: `courses_code_live`.
    """
    del uow
    return made(
        await query.fetch_one(
            CourseRow,
            f"""INSERT INTO courses (id, tenant_id, faculty_id, semester_id, code, title, document_set_version, created_at,
                                     updated_at)
                VALUES ($1, $2, $3, $4, $5, $6, 1, now(), now()) RETURNING {COURSE}""",
            new_id(),
            tenant_id,
            faculty_id,
            semester_id,
            code,
            title,
        )
    )


async def update_course(
    uow: UnitOfWork,
    course_id: UUID,
    *,
    faculty_id: UUID | None = None,
    semester_id: UUID | None = None,
    code: str | None = None,
    title: str | None = None,
) -> CourseRow:
    """Change what is given of a course that is held; a move makes a new document set. Raises as `add_course`."""
    del uow
    return made(
        await query.fetch_one(
            CourseRow,
            f"""UPDATE courses SET faculty_id = coalesce($2, faculty_id), semester_id = coalesce($3, semester_id),
                    code = coalesce($4, code), title = coalesce($5, title), updated_at = now(),
                    document_set_version = document_set_version
                        + (coalesce($2, faculty_id) <> faculty_id OR coalesce($3, semester_id) <> semester_id)::int
                WHERE id = $1 RETURNING {COURSE}""",
            course_id,
            faculty_id,
            semester_id,
            code,
            title,
        )
    )


async def delete_course(uow: UnitOfWork, course_id: UUID) -> None:
    """Hide a course that is held, and what can be found in it."""
    del uow
    await query.execute(
        f"UPDATE courses SET {HIDE}, document_set_version = document_set_version + 1 WHERE id = $1", course_id
    )


async def deletion_time(uow: UnitOfWork, course_id: UUID) -> datetime:
    """Return when a deleted course that is held was deleted."""
    del uow
    moment: datetime = await query.fetch_value("SELECT deleted_at FROM courses WHERE id = $1", course_id)
    return moment


async def restore_course(uow: UnitOfWork, course_id: UUID) -> CourseRow:
    """Show a deleted course that is held, with a new document set; raises as `add_course`."""
    del uow
    return made(
        await query.fetch_one(
            CourseRow,
            f"""UPDATE courses SET {SHOW}, document_set_version = document_set_version + 1 WHERE id = $1
                RETURNING {COURSE}""",
            course_id,
        )
    )
