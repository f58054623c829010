"""What receivers get: signed messages of what happened, again when they fail, and the log of it."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from backend.notifications.signatures import SignatureInvalid, secret_bytes, verify
from db import query
from db.errors import LeaseLost
from db.repositories import webhook_deliveries
from tests.api import problem
from tests.integration.webhooks.conftest import HOOKS, World
from tests.integration.webhooks.receiver import Answer, Received, status

ATTEMPTS = 8


def check(received: Received, secret: str) -> None:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signature = (received.headers[name] for name in names)
    verify([secret_bytes(secret)], message_id, timestamp, signature, received.body)


async def happened(world: World) -> str:
    """A course was made, and its event has reached the consumer."""
    course_id = str(await world.make_course())
    await world.spread()
    return course_id


async def fail_for_good(world: World) -> None:
    """All attempts there are."""
    for _ in range(ATTEMPTS):
        await world.work()
        await world.hurry()
    assert await world.work() == 0


async def test_the_receiver_gets_a_signed_message_once(world: World) -> None:
    hook = await world.hook()
    course_id = await happened(world)
    assert await world.work() == 1
    (got,) = world.receiver.requests
    check(got, hook["secret"])
    body = msgspec.json.decode(got.body)
    assert (body["type"], body["version"], body["data"]["course_id"]) == ("course.created", 1, course_id)
    assert abs(datetime.fromisoformat(body["timestamp"]).timestamp() - time.time()) < 60
    assert body["id"] == str(await query.fetch_value("SELECT id FROM outbox WHERE kind = 'course.created'"))
    assert got.path == "/hooks?token=t"
    assert (got.headers["content-type"], got.headers["host"]) == (
        "application/json",
        f"127.0.0.1:{world.receiver.port}",
    )

    (delivery,) = await world.deliveries(hook)
    expected = ("delivered", 1, 204, None, body["id"])
    assert tuple(delivery[key] for key in ("state", "attempts", "status", "error", "event_id")) == expected
    assert got.headers["webhook-id"] == "msg_" + delivery["id"].replace("-", "")
    full = (await world.client.get(f"{HOOKS}/{hook['id']}/deliveries/{delivery['id']}")).json()
    assert full["body"] == body
    assert [(one["attempt"], one["status"]) for one in full["attempts"]] == [(1, 204)]
    job = (await world.operator.get(f"/api/v1/jobs/{delivery['job_id']}")).json()
    assert (job["state"], job["user_id"]) == ("succeeded", None)
    await world.spread()
    assert await world.work() == 0


async def test_only_who_asked_for_it_is_told(world: World) -> None:
    everything, other, off = await world.hook("*"), await world.hook("user.disabled"), await world.hook()
    await world.client.patch(f"{HOOKS}/{off['id']}", json={"is_enabled": False})
    await world.stranger.post(HOOKS, json={"url": world.receiver.url, "events": ["*"]})
    await world.make_course()
    late = await world.hook()
    await query.execute("UPDATE webhook_endpoints SET created_at = now() + interval '1 s' WHERE id = $1", late["id"])
    await world.spread()
    counts = {name: len(await world.deliveries(hook)) for name, hook in
              {"everything": everything, "other": other, "off": off, "late": late}.items()}  # fmt: skip
    assert counts == {"everything": 1, "other": 0, "off": 0, "late": 0}
    assert await query.fetch_value("SELECT count(*) FROM webhook_deliveries") == 1


async def test_what_fails_is_sent_again_as_the_same_message(world: World) -> None:
    hook = await world.hook()
    world.receiver.answer(500, 503, 200)
    await happened(world)
    assert await world.work() == 1
    assert (await world.deliveries(hook))[0]["state"] == "waiting"
    waits = await query.fetch_value(
        "SELECT extract(epoch FROM retry_at - now())::float8 FROM jobs WHERE state = 'waiting'"
    )
    assert 2 < waits < 7
    for _ in range(2):
        await world.hurry()
        await world.work()
    assert len({(one.headers["webhook-id"], one.body) for one in world.receiver.requests}) == 1
    (delivery,) = await world.deliveries(hook)
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("delivered", 3, 200)
    full = (await world.client.get(f"{HOOKS}/{hook['id']}/deliveries/{delivery['id']}")).json()
    seen = [(one["attempt"], one["status"], one["error"]) for one in full["attempts"]]
    assert seen == [(3, 200, None), (2, 503, "status"), (1, 500, "status")]
    assert (await world.client.get(f"{HOOKS}/{hook['id']}")).json()["failing_since"] is None


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (status(429, "retry-after: 120"), 110, 121),
        (status(503, "retry-after: 1"), 2, 7),
        (status(503, "retry-after: 99999999999"), 8 * 3600 - 10, 8 * 3600 + 1),
        (status(500, "retry-after: 120"), 2, 7),
        (status(429, "retry-after: soon"), 2, 7),
    ],
)
async def test_a_receiver_that_asks_for_a_pause_gets_it(
    world: World, answer: Answer, least: float, most: float
) -> None:
    await world.hook()
    world.receiver.answer(answer)
    await happened(world)
    assert await world.work() == 1
    wait = await query.fetch_value(
        "SELECT extract(epoch FROM retry_at - now())::float8 FROM jobs WHERE state = 'waiting'"
    )
    assert least < wait < most


async def test_after_a_day_it_is_given_up_and_can_be_sent_again(world: World) -> None:
    hook = await world.hook("course.created", "job.dead")
    world.receiver.answer(500)
    await happened(world)
    await happened(world)
    await fail_for_good(world)
    assert [(one["state"], one["attempts"]) for one in await world.deliveries(hook)] == [("failed", ATTEMPTS)] * 2
    assert (await world.client.get(f"{HOOKS}/{hook['id']}")).json()["failing_since"] is not None

    assert await world.spread() == 2, "both jobs are dead"
    assert len(await world.deliveries(hook)) == 2, "of which the failing endpoint is not told"

    world.receiver.answer(200)
    address = f"{HOOKS}/{hook['id']}"
    newest, oldest = await world.deliveries(hook)
    replayed = await world.client.post(f"{address}/deliveries/{newest['id']}/replay")
    assert (replayed.status_code, replayed.json()["state"]) == (202, "waiting")
    problem(await world.client.post(f"{address}/deliveries/{newest['id']}/replay"), 409, "webhook-delivery-running")
    assert await world.work() == 1
    again = await world.client.post(f"{address}/replay", json={"since": "2026-01-01T00:00:00Z"})
    assert again.json() == {"count": 1, "more": False}
    assert await world.work() == 1
    assert {one["state"] for one in await world.deliveries(hook)} == {"delivered"}
    ids = [one.headers["webhook-id"] for one in world.receiver.requests[-2:]]
    assert ids == ["msg_" + one["id"].replace("-", "") for one in (newest, oldest)]
    later = await world.client.post(f"{address}/replay", json={"since": datetime.now(UTC).isoformat()})
    assert later.json()["count"] == 0
    assert {"webhook.delivery_replayed", "webhook.failed_replayed"} <= set(await world.acts("webhook."))


async def test_who_is_gone_is_told_no_more(world: World) -> None:
    hook = await world.hook()
    world.receiver.answer(410)
    await happened(world)
    await happened(world)
    await world.work()
    assert len(world.receiver.requests) == 1, "the second message is not sent"
    assert {one["state"] for one in await world.deliveries(hook)} == {"failed"}
    seen = (await world.client.get(f"{HOOKS}/{hook['id']}")).json()
    assert (seen["is_enabled"], seen["disabled_reason"]) == (False, "gone")
    about = await query.fetch_value("SELECT metadata->>'reason' FROM audit_log WHERE action = 'webhook.disabled'")
    assert about == "gone"
    await happened(world)
    assert len(await world.deliveries(hook)) == 2
    for path in ("ping", f"deliveries/{(await world.deliveries(hook))[0]['id']}/replay"):
        problem(await world.client.post(f"{HOOKS}/{hook['id']}/{path}"), 409, "webhook-disabled")


async def test_who_fails_for_days_is_switched_off(world: World) -> None:
    hook = await world.hook()
    world.receiver.answer(500)
    await happened(world)
    await world.work()
    await query.execute("UPDATE webhook_endpoints SET failing_since = now() - interval '4 days 23 hours'")
    await world.hurry()
    await world.work()
    assert (await world.client.get(f"{HOOKS}/{hook['id']}")).json()["is_enabled"]
    await query.execute("UPDATE webhook_endpoints SET failing_since = now() - interval '5 days 1 minute'")
    await world.hurry()
    await world.work()
    seen = (await world.client.get(f"{HOOKS}/{hook['id']}")).json()
    assert (seen["is_enabled"], seen["disabled_reason"]) == (False, "failing")
    assert (await world.deliveries(hook))[0]["state"] == "failed"
    on = (await world.client.patch(f"{HOOKS}/{hook['id']}", json={"is_enabled": True})).json()
    assert (on["failing_since"], on["disabled_reason"]) == (None, None)


async def test_old_secrets_are_good_for_a_day(world: World) -> None:
    hook = await world.hook()
    new = (await world.client.post(f"{HOOKS}/{hook['id']}/secret")).json()["secret"]
    await happened(world)
    await world.work()
    for secret in (hook["secret"], new):
        check(world.receiver.requests[0], secret)
    await query.execute("UPDATE webhook_endpoints SET previous_until = now()")
    await happened(world)
    await world.work()
    check(world.receiver.requests[1], new)
    with pytest.raises(SignatureInvalid):
        check(world.receiver.requests[1], hook["secret"])


async def test_a_ping_is_sent_whatever_is_subscribed(world: World) -> None:
    hook = await world.hook("user.disabled")
    answer = await world.client.post(f"{HOOKS}/{hook['id']}/ping")
    assert (answer.status_code, answer.json()["kind"]) == (202, "ping")
    await world.work()
    (got,) = world.receiver.requests
    check(got, hook["secret"])
    assert msgspec.json.decode(got.body)["type"] == "ping"
    assert "webhook.pinged" in await world.acts("webhook.")


async def test_deleted_endpoints_are_not_told_what_waits(world: World) -> None:
    hook = await world.hook()
    await happened(world)
    await world.client.delete(f"{HOOKS}/{hook['id']}")
    await world.work()
    assert world.receiver.requests == []
    assert await query.fetch_values("SELECT state FROM jobs WHERE kind = 'notifications.deliver'") == ["cancelled"]


async def test_a_worker_that_dies_after_sending_sends_the_same_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await world.hook()
    await happened(world)
    note = webhook_deliveries.note_attempt

    async def die(*_arguments: Any, **_more: Any) -> None:
        raise LeaseLost("killed")

    monkeypatch.setattr(webhook_deliveries, "note_attempt", die)
    await world.work(attempts=2)
    assert [one["attempts"] for one in await world.deliveries(hook)] == [0]
    monkeypatch.setattr(webhook_deliveries, "note_attempt", note)
    await query.execute("UPDATE jobs SET state = 'waiting', retry_at = now(), lease_until = NULL")  # as the clock does
    await world.work()
    first, second = world.receiver.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert [(one["state"], one["attempts"]) for one in await world.deliveries(hook)] == [("delivered", 1)]


async def test_old_deliveries_are_purged_with_their_log(world: World) -> None:
    from backend.notifications import upkeep

    hook = await world.hook()
    for _ in range(2):
        await happened(world)
    await world.work()
    (_, oldest) = await world.deliveries(hook)
    await query.execute(
        "UPDATE webhook_deliveries SET ended_at = now() - interval '31 days' WHERE id = $1", oldest["id"]
    )
    assert await upkeep.purge_deliveries() == 1
    assert await query.fetch_value("SELECT count(*) FROM webhook_attempts") == 1
    assert len(await world.deliveries(hook)) == 1
