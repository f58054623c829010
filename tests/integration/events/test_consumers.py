"""Effects happen once, whatever dies and whatever Redis loses; failures are tried again, given up, and replayed."""

import asyncio
from uuid import UUID

import pytest

from actors import events as running
from db import query
from db.jobs import RetrySchedule
from db.repositories import events
from db.repositories.events import DeadRow
from db.unit_of_work import unit_of_work
from tests.integration.events.conftest import Bus


async def passed(bus: Bus, consumer: running.Consuming) -> None:
    """One turn of a consumer's loop, and no more."""
    entries = await consumer._wake()
    await consumer.catch_up()
    await consumer._acknowledge(entries)


async def pending(bus: Bus) -> int:
    found = await bus.redis.xpending("lyceum.events", "ledger")
    return int(found["pending"])


async def dead(bus: Bus) -> list[DeadRow]:
    return await events.dead(bus.someone.tenant_id, None, None, 10)


async def test_events_are_handled_in_order_and_acknowledged(bus: Bus) -> None:
    ids = await bus.emit(5)
    await bus.relay.tick()
    consumer = bus.consumer()
    await passed(bus, consumer)
    assert bus.ledger.handled == ids
    more = await bus.emit(2)
    await bus.relay.tick()
    await passed(bus, consumer)
    await passed(bus, consumer)
    assert await bus.ledger.rows() == ids + more
    assert await pending(bus) == 0


async def test_a_consumer_killed_between_effect_and_acknowledgement_does_it_once(bus: Bus) -> None:
    ids = await bus.emit(3)
    await bus.relay.tick()
    first = bus.consumer()
    assert await first._wake() == [], "a clock looks first for what another has left"
    assert len(await first._wake()) == 3
    await events.add_consumer("ledger")
    for event in (await events.to_handle("ledger", 10))[:2]:
        await first._deliver(event)  # and dies: its position is not noted, nothing is acknowledged
    assert (await bus.ledger.rows(), await pending(bus)) == (ids[:2], 3)

    second = bus.consumer()
    for _ in range(3):
        await passed(bus, second)
    assert await bus.ledger.rows() == ids
    assert await pending(bus) == 0


async def test_an_effect_that_is_undone_leaves_no_receipt(bus: Bus) -> None:
    (event_id,) = await bus.emit()
    await bus.relay.tick()
    bus.ledger.cut = {event_id}
    await bus.consumer().catch_up()
    assert await bus.ledger.rows() == []
    bus.ledger.cut = set()
    await bus.consumer().catch_up()
    assert await bus.ledger.rows() == [event_id]


async def test_two_consumers_of_one_name_at_once(bus: Bus) -> None:
    ids = await bus.emit(30)
    await bus.relay.tick()
    await asyncio.gather(*(bus.consumer().catch_up() for _ in range(4)))
    assert sorted(await bus.ledger.rows()) == ids


async def test_without_the_receipt_there_would_be_two(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would see without the guard."""
    ids = await bus.emit(30)
    await bus.relay.tick()

    async def always(*_arguments: object) -> bool:
        return True

    monkeypatch.setattr(events, "receive", always)
    await asyncio.gather(*(bus.consumer().catch_up() for _ in range(4)))
    assert len(await bus.ledger.rows()) > len(ids)


async def test_redis_loses_the_stream_and_nothing_is_lost(bus: Bus) -> None:
    consumer = bus.consumer()
    ids = await bus.emit(3)
    await bus.relay.tick()
    await passed(bus, consumer)
    ids += await bus.emit(3)
    await bus.relay.tick()
    await bus.redis.flushall()
    ids += await bus.emit(2)
    await bus.relay.tick()
    await passed(bus, consumer)
    assert await bus.ledger.rows() == ids
    ids += await bus.emit(1)
    await bus.relay.tick()
    assert len(await bus.entries()) == 3
    for _ in range(3):
        await passed(bus, consumer)
    assert await bus.ledger.rows() == ids
    assert await pending(bus) == 0


async def test_without_redis_events_are_handled_all_the_same(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    from ops.runtime.redis import open_redis, open_redis_blocking

    monkeypatch.setattr(running, "WAIT_SECONDS", 0.01)
    bus.redis, bus.blocking = open_redis("redis://127.0.0.1:9/0"), open_redis_blocking("redis://127.0.0.1:9/0")
    ids = await bus.emit(3)
    assert await bus.relay.tick() == 0
    await passed(bus, bus.consumer())
    assert await bus.ledger.rows() == ids
    assert await query.fetch_value("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 3


async def test_a_failure_holds_up_no_other_is_tried_again_and_given_up(bus: Bus) -> None:
    ids = await bus.emit(3)
    await bus.relay.tick()
    bus.ledger.broken = {ids[1]}
    consumer = bus.consumer()
    await consumer.catch_up()
    assert await bus.ledger.rows() == [ids[0], ids[2]]
    await consumer.catch_up()
    assert await dead(bus) == []
    await consumer.catch_up()
    (given_up,) = await dead(bus)
    assert (given_up.event_id, given_up.attempts, given_up.error) == (ids[1], 3, "RuntimeError")
    await consumer.catch_up()
    assert [row.attempts for row in await dead(bus)] == [3]

    bus.ledger.broken = set()
    async with unit_of_work() as uow:
        assert await events.replay(uow, bus.someone.tenant_id, given_up.id) == given_up
        assert await events.replay(uow, bus.someone.tenant_id, given_up.id) is None
    await consumer.catch_up()
    assert await bus.ledger.rows() == [ids[0], ids[2], ids[1]]
    assert await dead(bus) == []


async def test_a_failure_waits_for_its_time(bus: Bus) -> None:
    bus.retry = RetrySchedule((60.0,))
    (event_id,) = await bus.emit()
    await bus.relay.tick()
    bus.ledger.broken = {event_id}
    await bus.consumer().catch_up()
    bus.ledger.broken = set()
    assert await bus.consumer().catch_up() == 0
    await query.execute("UPDATE event_failures SET retry_at = now()")
    assert await bus.consumer().catch_up() == 1
    assert await bus.ledger.rows() == [event_id]


async def test_consumers_are_told_apart_and_counted_for_each_tenant(bus: Bus) -> None:
    ids = await bus.emit(3)
    await bus.relay.tick()
    bus.ledger.broken = {ids[0]}
    await bus.consumer("one").catch_up()
    await events.add_consumer("two")
    rows = {row.name: row for row in await events.consumers(bus.someone.tenant_id)}
    assert (rows["one"].behind, rows["one"].retrying, rows["one"].dead) == (0, 1, 0)
    assert (rows["two"].behind, rows["two"].retrying, rows["two"].dead) == (3, 0, 0)
    foreign = await events.consumers(UUID(int=0))
    assert {(row.behind, row.retrying, row.dead) for row in foreign} == {(0, 0, 0)}


async def test_an_entry_wakes_the_loop(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "WAIT_MS", 60_000)  # who waits for that is late
    loop = asyncio.create_task(bus.consumer().run())
    ids: list[UUID] = []
    try:
        for _ in range(3):
            ids += await bus.emit()
            await bus.relay.tick()
            async with asyncio.timeout(3):
                while await bus.ledger.rows() != ids:
                    await asyncio.sleep(0.01)
    finally:
        loop.cancel()
        ended = await asyncio.gather(loop, return_exceptions=True)
    assert await bus.ledger.rows() == ids
    assert isinstance(ended[0], asyncio.CancelledError), "it worked on until it was told to stop"
