"""People and rights past their dates."""

from backend.kit.purging import PURGE_BATCH, note_purged, purge_each
from db.repositories import retention
from db.repositories.retention import DueRow
from db.unit_of_work import unit_of_work


async def purge_people() -> int:
    """Delete people who were deleted 30 days ago, with their keys; return how many of one batch.

    With the key goes what they wrote, wherever a sealed copy of it is left: in the audit log, which stays, or in a backup of
    other tables. A process that has just used a key forgets it within a minute.
    """
    return await purge_each(await retention.due_people(PURGE_BATCH), _purge_person)


async def _purge_person(due: DueRow) -> bool:
    async with unit_of_work() as uow:
        gone = await retention.purge_person(uow, due.id)
        if gone:
            await uow.audit(None, "person.purged", {"user_id": due.id}, tenant_id=due.tenant_id)
    return gone


async def purge_grants() -> int:
    """Delete grants that were taken back 30 days ago; return how many of one batch."""
    async with unit_of_work() as uow:
        return await note_purged(uow, "grants.purged", await retention.purge_grants(uow, PURGE_BATCH))
