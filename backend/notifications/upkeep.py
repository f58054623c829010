"""What of events and webhooks is kept, and for how long."""

from collections.abc import Sequence
from typing import Final

from db.repositories import events, outbox, webhook_deliveries, webhook_sources, webhooks
from db.unit_of_work import unit_of_work

BATCH: Final = 500
EVENT_DAYS: Final = 7
DEAD_DAYS: Final = 30
DELIVERY_DAYS: Final = 30
RECEIPT_DAYS: Final = 7
"""Senders repeat a message for a day or three; each time it is signed anew, so that its age alone does not stop it."""


async def purge_events(consumers: Sequence[str]) -> int:
    """Delete some of the old events that each of the named consumers has handled; return how many."""
    async with unit_of_work() as uow:
        return await outbox.purge(uow, EVENT_DAYS, list(consumers), BATCH)


async def purge_dead() -> int:
    """Forget some of the events that were given up long ago; return how many."""
    async with unit_of_work() as uow:
        return await events.purge_dead(uow, DEAD_DAYS, BATCH)


async def purge_deliveries() -> int:
    """Delete some of what endpoints were told long ago, and what is left of deleted ones; return how many."""
    async with unit_of_work() as uow:
        deleted = await webhooks.purge_deleted(uow, BATCH)
        return deleted + await webhook_deliveries.purge(uow, DELIVERY_DAYS, BATCH)


async def purge_receipts() -> int:
    """Forget some of the messages that were taken long ago; return how many."""
    async with unit_of_work() as uow:
        return await webhook_sources.purge_receipts(uow, RECEIPT_DAYS, BATCH)
