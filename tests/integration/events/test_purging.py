"""Events that were given up are kept with all they tell for a month, and then go."""

from backend.notifications import upkeep
from db import query
from db.jobs import RetrySchedule
from db.repositories import events
from tests.integration.events.conftest import Bus


async def test_what_was_given_up_is_kept_longer_than_what_was_handled(bus: Bus) -> None:
    bus.retry = RetrySchedule(())
    ids = await bus.emit(3)
    await bus.relay.tick()
    bus.ledger.broken = {ids[0]}
    await bus.consumer().catch_up()
    await query.execute("UPDATE outbox SET sent_at = now() - interval '20 days'")
    assert await upkeep.purge_events(["ledger"]) == 1
    (given_up,) = await events.dead(bus.someone.tenant_id, None, None, 10)
    assert given_up.event_id == ids[0]
    assert await upkeep.purge_dead() == 0
    await query.execute("UPDATE event_failures SET failed_at = now() - interval '31 days'")
    assert await upkeep.purge_dead() == 1
    assert await upkeep.purge_events(["ledger"]) == 1
    assert await query.fetch_values("SELECT id FROM outbox") == [ids[2]]


async def test_the_clock_purges_what_its_consumers_have_handled() -> None:
    from actors.events import CONSUMER_NAMES, CONSUMERS
    from actors.upkeep import upkeep_lanes

    assert [consumer.name for consumer in CONSUMERS] == CONSUMER_NAMES
    names = {task.name for lane in upkeep_lanes(None, None) for task in lane}  # type: ignore[arg-type]
    assert {"events_purged", "dead_events_purged", "webhook_deliveries_purged", "webhook_receipts_purged"} <= names
