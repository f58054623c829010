"""What operators see of consumers and of events that were given up, and their replay."""

from typing import Any
from uuid import uuid4

import msgspec

from actors.events import Consumer, Consuming
from db.events import StoredEvent
from db.jobs import RetrySchedule
from db.unit_of_work import UnitOfWork
from tests.api import problem
from tests.integration.webhooks.conftest import World

EVENTS = "/api/v1/events"


async def refuse(_uow: UnitOfWork, _event: StoredEvent) -> None:
    raise RuntimeError("not now")


def broken(world: World) -> Consuming:
    """The same consumer, in a version that cannot handle anything."""
    right = world.consumer._consumer
    retry = RetrySchedule(())
    wrong: Consumer = msgspec.structs.replace(right, handle=refuse, retry=retry)
    return Consuming(wrong, world.consumer._redis)


async def test_operators_see_what_was_given_up_and_replay_it(world: World) -> None:
    hook = await world.hook()
    right, world.consumer = world.consumer, broken(world)
    for _ in range(3):
        await world.make_course()
    await world.spread()

    async def consumer() -> dict[str, Any]:
        (row,) = (await world.operator.get(f"{EVENTS}/consumers")).json()["items"]
        return {key: row[key] for key in ("name", "behind", "retrying", "dead")}

    given_up = await world.operator.get(f"{EVENTS}/dead", params={"consumer": "webhooks", "limit": 100})
    courses = [one for one in given_up.json()["items"] if one["kind"] == "course.created"]
    assert [(one["attempts"], one["error"]) for one in courses] == [(1, "RuntimeError")] * 3
    assert await consumer() == {"name": "webhooks", "behind": 0, "retrying": 0, "dead": len(given_up.json()["items"])}
    assert "not now" not in given_up.text
    assert (await world.stranger.get(f"{EVENTS}/dead")).json()["items"] != given_up.json()["items"]
    problem(await world.stranger.post(f"{EVENTS}/dead/{courses[0]['id']}/replay"), 404, "dead-event-not-found")
    problem(await world.operator.post(f"{EVENTS}/dead/{uuid4()}/replay"), 404, "dead-event-not-found")
    assert (await world.client.post(f"{EVENTS}/dead/{courses[0]['id']}/replay")).status_code == 403
    assert (await world.reader.get(f"{EVENTS}/dead")).status_code == 403

    world.consumer = right
    assert (await world.operator.post(f"{EVENTS}/dead/{courses[0]['id']}/replay")).json()["count"] == 1
    await world.spread()
    assert [one["event_id"] for one in await world.deliveries(hook)] == [courses[0]["event_id"]]
    rest = await world.operator.post(f"{EVENTS}/dead/replay", json={"consumer": "webhooks"})
    assert rest.json()["count"] == len(given_up.json()["items"]) - 1
    assert (await consumer())["retrying"] == rest.json()["count"]
    await world.spread()
    assert {one["event_id"] for one in await world.deliveries(hook)} == {one["event_id"] for one in courses}
    assert (await world.operator.get(f"{EVENTS}/dead")).json()["items"] == []
    assert [*await world.acts("event.replayed"), *await world.acts("events.replayed")] == [
        "event.replayed",
        "events.replayed",
    ]
    assert (await world.stranger.get(f"{EVENTS}/consumers")).json()["items"][0]["dead"] > 0, "they have their own"
