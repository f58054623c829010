"""From the act to Redis: with the act's transaction or not at all, in the order of commits, whatever dies."""

import asyncio
import contextvars
import random

import msgspec
import pytest

from backend.academics.events import COURSE_CREATED, COURSE_UPDATED
from backend.notifications.events import INBOUND, InboundReceived
from db import query
from db.events import EventKind, is_event
from db.repositories import events, outbox
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests.integration.events.conftest import Bus, Someone, course
from tests.waiting import until_blocked


async def positions() -> list[int]:
    return await query.fetch_values("SELECT position FROM outbox ORDER BY id")


async def test_an_act_that_is_undone_emits_nothing(bus: Bus) -> None:
    with pytest.raises(RuntimeError):
        async with unit_of_work() as uow:
            await uow.emit(COURSE_CREATED, course(), subject=bus.someone)
            raise RuntimeError
    (kept,) = await bus.emit()
    assert await bus.relay.tick() == 1
    assert await bus.entries() == [str(kept)]


async def test_events_come_in_the_order_of_their_commits(bus: Bus) -> None:
    """Who began first and commits last is last, also when the others were relayed already."""
    begun, others_are_relayed = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        async with unit_of_work() as uow:
            event_id = await uow.emit(COURSE_CREATED, course(), subject=bus.someone)
            begun.set()
            await others_are_relayed.wait()
        return str(event_id)

    task = asyncio.create_task(slow())
    await begun.wait()
    before = [str(one) for one in await bus.emit(3)]
    assert await bus.relay.tick() == 3
    others_are_relayed.set()
    last = await task
    after = [str(one) for one in await bus.emit(2)]
    assert await bus.relay.tick() == 3
    assert (await bus.entries())[:3] == before
    assert sorted((await bus.entries())[3:]) == sorted([last, *after])
    assert sorted(await positions()) == [1, 2, 3, 4, 5, 6]


async def test_events_about_one_thing_keep_its_order(bus: Bus) -> None:
    """Many change the same row at once, under its lock; clocks number at the same time."""
    at_work = 12

    async def change() -> None:
        await asyncio.sleep(random.random() / 50)
        async with unit_of_work() as uow:
            await query.execute(
                "UPDATE tenants SET name = (length(name) + 1)::text WHERE id = $1", bus.someone.tenant_id
            )
            place = await query.fetch_value("SELECT count(*) FROM outbox")
            await uow.emit(COURSE_UPDATED, msgspec.structs.replace(course(), code=f"{place:04}"), subject=bus.someone)

    async def clock() -> None:
        while await query.fetch_value("SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL") < at_work:
            await bus.relay.tick()

    await asyncio.gather(clock(), clock(), *(change() for _ in range(at_work)))
    codes = await query.fetch_values("SELECT payload::jsonb->>'code' FROM outbox ORDER BY position")
    assert codes == [f"{place:04}" for place in range(at_work)]
    assert len(await bus.entries()) == at_work


async def test_two_clocks_give_each_event_one_place(bus: Bus) -> None:
    ids = [str(one) for one in await bus.emit(40)]
    await asyncio.gather(*(bus.relay.tick() for _ in range(4)))
    assert await bus.entries() == ids
    assert await positions() == list(range(1, 41))


async def test_clocks_number_one_after_the_other(bus: Bus) -> None:
    """Each begins with what the one before has committed: else two could give one place to two events."""
    await bus.emit(3)
    async with unit_of_work():
        await query.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", outbox.NUMBERING_LOCK)
        second = asyncio.create_task(outbox.number(), context=contextvars.Context())
        await until_blocked(second)
        assert not second.done()
    assert await second == 3


async def test_a_place_once_given_is_kept_while_clocks_and_acts_go_on(bus: Bus) -> None:
    seen: dict[int, str] = {}

    async def clock() -> None:
        while len(seen) < 60:
            await outbox.number()
            for row in await outbox.unsent():
                assert seen.setdefault(row.position, str(row.id)) == str(row.id)

    async def acts() -> None:
        for _ in range(15):
            await bus.emit()

    await asyncio.gather(*(clock() for _ in range(3)), *(acts() for _ in range(4)))
    assert sorted(seen) == list(range(1, 61))
    assert len(set(seen.values())) == 60


async def test_a_clock_that_dies_between_redis_and_its_note_tells_nothing_twice(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(_positions: list[int]) -> None:
        raise asyncio.CancelledError

    ids = [str(one) for one in await bus.emit(3)]
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark_sent", die)
        with pytest.raises(asyncio.CancelledError):
            await bus.relay.tick()
    ids += [str(one) for one in await bus.emit(1)]
    assert await bus.relay.tick() == 4
    assert await bus.entries() == ids


async def test_what_nobody_needs_any_more_is_purged_and_numbers_go_on(bus: Bus) -> None:
    consumer = bus.consumer()
    await bus.emit(3)
    await bus.relay.tick()

    async def purge() -> int:
        async with unit_of_work() as uow:
            return await outbox.purge(uow, 7, ["ledger"], 100)

    await query.execute("UPDATE outbox SET sent_at = now() - interval '8 days'")
    assert await purge() == 0, "not handled yet"
    await consumer.catch_up()
    assert await purge() == 2, "the newest holds the number"
    assert await query.fetch_value("SELECT count(*) FROM event_receipts") == 1
    await bus.emit()
    await bus.relay.tick()
    assert await positions() == [3, 4]
    async with unit_of_work() as uow:
        assert await outbox.purge(uow, 7, ["ledger", "one that has not begun"], 100) == 0


def test_names_of_events() -> None:
    assert is_event("course.created")
    assert is_event("inbound.moodle")
    for name in ("course.*", "inbound.", "inbound.*", "inbound.UP", "course.baked", "*", ""):
        assert not is_event(name), name
    with pytest.raises(ValueError, match="twice"):
        EventKind(name="course.created", version=1, payload=Someone)
    with pytest.raises(ValueError, match="noun"):
        EventKind(name="courses", version=1, payload=Someone)


async def test_a_payload_is_what_its_kind_declares(bus: Bus) -> None:
    received = InboundReceived(source_id=new_id(), message_id="1", body=msgspec.Raw(b"{}"))
    for kind, payload, member in (
        (COURSE_CREATED, received, ""),
        (COURSE_CREATED, course(), "x"),
        (INBOUND, received, ""),
        (INBOUND, received, "A b"),
    ):
        with pytest.raises((TypeError, ValueError)):
            async with unit_of_work() as uow:
                await uow.emit(kind, payload, subject=bus.someone, member=member)  # type: ignore[misc]
    assert await events.to_handle("ledger", 10) == []
