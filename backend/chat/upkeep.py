"""Conversations past their purge date."""

from backend.kit.purging import PURGE_BATCH, note_purged
from db.repositories import retention
from db.unit_of_work import unit_of_work


async def purge_conversations() -> int:
    """Delete conversations that were deleted 30 days ago, with all turns; return how many of one batch."""
    due = await retention.due_conversations(PURGE_BATCH)
    async with unit_of_work() as uow:
        gone = set(await retention.purge_conversations(uow, [row.id for row in due]))
        return await note_purged(uow, "chat.sessions_purged", [row for row in due if row.id in gone])
