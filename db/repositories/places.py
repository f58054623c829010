"""What the repositories of faculties, semesters and courses share."""

from collections.abc import Iterable
from typing import Final, TypeVar
from uuid import UUID

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)

PURGE_AFTER_DAYS: Final = 30
HIDE: Final = f"deleted_at = now(), purge_after = now() + interval '{PURGE_AFTER_DAYS} days', updated_at = now()"
SHOW: Final = "deleted_at = NULL, purge_after = NULL, updated_at = now()"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody holds a permission: in the whole tenant, or in these faculties and courses."""

    everywhere: bool
    faculty_ids: Iterable[UUID]
    course_ids: Iterable[UUID]

    def arguments(self) -> tuple[bool, list[UUID], list[UUID]]:
        """Return the three parameters of a query."""
        return self.everywhere, list(self.faculty_ids), list(self.course_ids)


def listed(deleted: bool) -> str:
    """Return the condition on rows that live, or on deleted ones whose purge date has not come."""
    return "deleted_at IS NOT NULL AND purge_after > now()" if deleted else "deleted_at IS NULL"


def lock(to_change: bool) -> str:
    """Return how a row is held: against changes, or also against being held by others."""
    return "FOR NO KEY UPDATE" if to_change else "FOR SHARE"


def made(row: Row | None) -> Row:
    """Return the row of a statement that always returns one."""
    assert row is not None
    return row
