"""What the purges of all domains share. Each does one batch per call, in transactions that leave an audit row each."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar
from uuid import UUID

from db.errors import DatabaseUnavailable
from db.repositories.retention import DueRow
from db.unit_of_work import UnitOfWork

Due = TypeVar("Due")

PURGE_BATCH: Final = 50


async def purge_each(due: Iterable[Due], purge: Callable[[Due], Awaitable[bool]]) -> int:
    """Purge one after the other; return how many `purge` found due.

    One that fails does not hold up those behind it: its error is raised after them.
    """
    failure: Exception | None = None
    count = 0
    for each in due:
        try:
            count += await purge(each)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - raised below
            failure = failure or error
    if failure is not None:
        raise failure
    return count


async def note_purged(uow: UnitOfWork, action: str, gone: Sequence[DueRow]) -> int:
    """Write an audit row with the ids of `gone` for each of their tenants; return how many there are."""
    by_tenant: dict[UUID, list[UUID]] = {}
    for row in gone:
        by_tenant.setdefault(row.tenant_id, []).append(row.id)
    for tenant_id, ids in by_tenant.items():
        await uow.audit(None, action, {"ids": ids}, tenant_id=tenant_id)
    return len(gone)
