"""Faculties and semesters."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from db import query
from db.repositories.places import HIDE, SHOW, Places, listed, lock, made
from db.unit_of_work import UnitOfWork
from ops.runtime.ids import FacultyId, SemesterId, new_id


class FacultyRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A faculty, as the API gives it; only a deleted one has a purge date."""

    id: FacultyId
    name: str
    code: str
    created_at: datetime
    updated_at: datetime
    purge_after: datetime | None = None


class SemesterRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A semester, as the API gives it; only a deleted one has a purge date."""

    id: SemesterId
    faculty_id: FacultyId
    name: str
    code: str
    starts_on: date
    ends_on: date
    created_at: datetime
    updated_at: datetime
    purge_after: datetime | None = None


FACULTY = ", ".join(FacultyRow.__struct_fields__)
SEMESTER = ", ".join(SemesterRow.__struct_fields__)


async def faculty(faculty_id: UUID, tenant_id: UUID) -> FacultyRow | None:
    """Return a live faculty."""
    return await query.fetch_one(
        FacultyRow,
        f"SELECT {FACULTY} FROM faculties WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL",
        faculty_id,
        tenant_id,
    )


async def hold_faculty(uow: UnitOfWork, faculty_id: UUID, tenant_id: UUID, *, to_change: bool) -> FacultyRow | None:
    """As `faculty`; it cannot be deleted (`to_change`: nor get new courses) until the transaction ends."""
    del uow
    return await query.fetch_one(
        FacultyRow,
        f"""SELECT {FACULTY} FROM faculties WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL
            {lock(to_change)}""",
        faculty_id,
        tenant_id,
    )


async def hold_deleted_faculty(uow: UnitOfWork, faculty_id: UUID, tenant_id: UUID) -> FacultyRow | None:
    """Return a faculty that can be restored; nobody else restores or purges it until the transaction ends."""
    del uow
    return await query.fetch_one(
        FacultyRow,
        f"SELECT {FACULTY} FROM faculties WHERE id = $1 AND tenant_id = $2 AND {listed(True)} {lock(True)}",
        faculty_id,
        tenant_id,
    )


async def faculties(
    tenant_id: UUID,
    places: Places,
    *,
    deleted: bool = False,
    only_id: UUID | None = None,
    after_id: UUID | None,
    limit: int,
) -> list[FacultyRow]:
    """Return the faculties of `places` and of its courses, by id; with `deleted` those that can be restored."""
    return await query.fetch(
        FacultyRow,
        f"""SELECT {FACULTY} FROM faculties f WHERE tenant_id = $1 AND {listed(deleted)} AND ($2 OR id = ANY($3)
              OR EXISTS (SELECT FROM courses c WHERE c.faculty_id = f.id AND c.id = ANY($4) AND c.deleted_at IS NULL))
            AND ($5::uuid IS NULL OR id > $5) AND ($6::uuid IS NULL OR id = $6) ORDER BY id LIMIT $7""",
        tenant_id,
        *places.arguments(),
        after_id,
        only_id,
        limit,
    )


async def add_faculty(uow: UnitOfWork, tenant_id: UUID, *, name: str, code: str) -> FacultyRow:
    """Add a faculty.

    Raises:
        UniqueViolation: `faculties_code_live`.
    """
    del uow
    return made(
        await query.fetch_one(
            FacultyRow,
            f"""INSERT INTO faculties (id, tenant_id, name, code, created_at, updated_at)
                VALUES ($1, $2, $3, $4, now(), now()) RETURNING {FACULTY}""",
            new_id(),
            tenant_id,
            name,
            code,
        )
    )


async def update_faculty(uow: UnitOfWork, faculty_id: UUID, *, name: str | None, code: str | None) -> FacultyRow:
    """Change what is given of a faculty that is held; raises as `add_faculty`."""
    del uow
    return made(
        await query.fetch_one(
            FacultyRow,
            f"""UPDATE faculties SET name = coalesce($2, name), code = coalesce($3, code), updated_at = now()
                WHERE id = $1 RETURNING {FACULTY}""",
            faculty_id,
            name,
            code,
        )
    )


async def delete_faculty(uow: UnitOfWork, faculty_id: UUID) -> None:
    """Hide a faculty that is held, and its semesters."""
    del uow
    await query.execute(f"UPDATE semesters SET {HIDE} WHERE faculty_id = $1 AND deleted_at IS NULL", faculty_id)
    await query.execute(f"UPDATE faculties SET {HIDE} WHERE id = $1", faculty_id)


async def restore_faculty(uow: UnitOfWork, faculty_id: UUID) -> FacultyRow:
    """Show a deleted faculty that is held, and the semesters its deletion hid; raises as `add_faculty`."""
    del uow
    await query.execute(
        f"""UPDATE semesters s SET {SHOW} WHERE faculty_id = $1
              AND deleted_at = (SELECT f.deleted_at FROM faculties f WHERE f.id = s.faculty_id)""",
        faculty_id,
    )
    return made(
        await query.fetch_one(FacultyRow, f"UPDATE faculties SET {SHOW} WHERE id = $1 RETURNING {FACULTY}", faculty_id)
    )


async def semester(semester_id: UUID, tenant_id: UUID) -> SemesterRow | None:
    """Return a live semester."""
    return await query.fetch_one(
        SemesterRow,
        f"SELECT {SEMESTER} FROM semesters WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL",
        semester_id,
        tenant_id,
    )


async def hold_semester(uow: UnitOfWork, semester_id: UUID, tenant_id: UUID, *, to_change: bool) -> SemesterRow | None:
    """As `semester`; it cannot be deleted (`to_change`: nor get new courses) until the transaction ends."""
    del uow
    return await query.fetch_one(
        SemesterRow,
        f"""SELECT {SEMESTER} FROM semesters WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL
            {lock(to_change)}""",
        semester_id,
        tenant_id,
    )


async def hold_deleted_semester(uow: UnitOfWork, semester_id: UUID, tenant_id: UUID) -> SemesterRow | None:
    """As `hold_deleted_faculty`."""
    del uow
    return await query.fetch_one(
        SemesterRow,
        f"SELECT {SEMESTER} FROM semesters WHERE id = $1 AND tenant_id = $2 AND {listed(True)} {lock(True)}",
        semester_id,
        tenant_id,
    )


async def semesters(
    tenant_id: UUID,
    places: Places,
    *,
    deleted: bool = False,
    only_id: UUID | None = None,
    faculty_id: UUID | None,
    after_id: UUID | None,
    limit: int,
) -> list[SemesterRow]:
    """Return the semesters of the faculties of `places` and those of its courses, by id; `deleted` as in `faculties`."""
    return await query.fetch(
        SemesterRow,
        f"""SELECT {SEMESTER} FROM semesters s WHERE tenant_id = $1 AND {listed(deleted)} AND ($2 OR faculty_id = ANY($3)
              OR EXISTS (SELECT FROM courses c WHERE c.semester_id = s.id AND c.id = ANY($4) AND c.deleted_at IS NULL))
            AND ($5::uuid IS NULL OR faculty_id = $5) AND ($6::uuid IS NULL OR id > $6) AND ($7::uuid IS NULL OR id = $7)
            ORDER BY id LIMIT $8""",
        tenant_id,
        *places.arguments(),
        faculty_id,
        after_id,
        only_id,
        limit,
    )


async def add_semester(
    uow: UnitOfWork, tenant_id: UUID, faculty_id: UUID, *, name: str, code: str, starts_on: date, ends_on: date
) -> SemesterRow:
    """Add a semester.

    Raises:
        UniqueViolation: `semesters_code_live`.
    """
    del uow
    return made(
        await query.fetch_one(
            SemesterRow,
            f"""INSERT INTO semesters (id, tenant_id, faculty_id, name, code, starts_on, ends_on, created_at, updated_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now()) RETURNING {SEMESTER}""",
            new_id(),
            tenant_id,
            faculty_id,
            name,
            code,
            starts_on,
            ends_on,
        )
    )


async def update_semester(
    uow: UnitOfWork,
    semester_id: UUID,
    *,
    name: str | None,
    code: str | None,
    starts_on: date | None,
    ends_on: date | None,
) -> SemesterRow:
    """Change what is given of a semester that is held; raises as `add_semester`."""
    del uow
    return made(
        await query.fetch_one(
            SemesterRow,
            f"""UPDATE semesters SET name = coalesce($2, name), code = coalesce($3, code),
                    starts_on = coalesce($4, starts_on), ends_on = coalesce($5, ends_on), updated_at = now()
                WHERE id = $1 RETURNING {SEMESTER}""",
            semester_id,
            name,
            code,
            starts_on,
            ends_on,
        )
    )


async def delete_semester(uow: UnitOfWork, semester_id: UUID) -> None:
    """Hide a semester that is held."""
    del uow
    await query.execute(f"UPDATE semesters SET {HIDE} WHERE id = $1", semester_id)


async def restore_semester(uow: UnitOfWork, semester_id: UUID) -> SemesterRow:
    """Show a deleted semester that is held; raises as `add_semester`."""
    del uow
    return made(
        await query.fetch_one(
            SemesterRow, f"UPDATE semesters SET {SHOW} WHERE id = $1 RETURNING {SEMESTER}", semester_id
        )
    )
