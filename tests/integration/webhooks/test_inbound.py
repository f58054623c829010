"""Messages from other systems: signed, in time, once; and what everything else gets."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from backend.kit.ratelimit import RateLimits
from backend.notifications.signatures import secret_bytes, signed_headers
from db import query
from tests import campus
from tests.api import NO_LIMITS, problem, running
from tests.integration.webhooks.conftest import HOOKS, World
from tests.servers import Database

SOURCES = f"{HOOKS}/sources"
MESSAGE = {"course": "CS-1", "grade": 1.5}


async def source(world: World, name: str = "moodle", **more: Any) -> dict[str, Any]:
    answer = await world.client.post(SOURCES, json={"name": name, **more})
    made: dict[str, Any] = answer.raise_for_status().json()
    return made


async def send(
    world: World,
    made: dict[str, Any],
    *,
    message_id: str = "msg_1",
    age: float = 0,
    body: bytes | None = None,
    secret: str = "",
) -> httpx.Response:
    content = json.dumps(MESSAGE).encode() if body is None else body
    key = secret_bytes(secret or made["secret"])
    headers = signed_headers([key], message_id, int(time.time() - age), content)
    return await world.api.public.post(f"{HOOKS}/in/{made['id']}", content=content, headers=headers)


async def events() -> list[tuple[str, Any]]:
    names = await query.fetch_values("SELECT kind FROM outbox WHERE kind LIKE 'inbound.%' ORDER BY id")
    bodies = await query.fetch_values(
        "SELECT payload::jsonb->>'body' FROM outbox WHERE kind LIKE 'inbound.%' ORDER BY id"
    )
    return [(name, json.loads(body)) for name, body in zip(names, bodies, strict=True)]


async def test_a_signed_message_becomes_an_event_once(world: World) -> None:
    made = await source(world)
    assert made["address"] == f"http://127.0.0.1:8000{HOOKS}/in/{made['id']}"
    first, second = [await send(world, made) for _ in range(2)]
    assert (first.status_code, first.json()) == (200, {"repeated": False})
    assert (second.status_code, second.json()) == (200, {"repeated": True})
    again_later = await send(world, made, age=-60)
    assert again_later.json() == {"repeated": True}, "the id counts, not the time of signing"
    assert (await send(world, made, message_id="msg_2")).json() == {"repeated": False}
    assert await events() == [("inbound.moodle", MESSAGE)] * 2
    assert (await world.client.get(f"{SOURCES}/{made['id']}")).json()["received_at"] is not None
    assert (await world.acts("webhook_source.received")) == ["webhook_source.received"] * 2


async def test_ten_at_once_are_one(world: World) -> None:
    made = await source(world)
    answers = await asyncio.gather(*(send(world, made) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert sorted(answer.json()["repeated"] for answer in answers) == [False, *[True] * 9]
    assert len(await events()) == 1


async def test_who_asked_for_it_by_name_is_told_of_it(world: World) -> None:
    made = await source(world)
    named, everything = await world.hook("inbound.moodle"), await world.hook("*")
    await send(world, made)
    await world.spread()
    assert await world.deliveries(everything) == []
    (delivery,) = await world.deliveries(named)
    await world.work()
    (got,) = world.receiver.requests
    body = msgspec.json.decode(got.body)
    assert (delivery["kind"], body["data"]["body"]) == ("inbound.moodle", MESSAGE)


async def test_wrong_late_and_unknown_are_refused(world: World) -> None:
    made, other = await source(world), await source(world, "other")
    refused = "webhook-signature-refused"
    problem(await send(world, made, secret=other["secret"]), 401, refused)
    problem(await send(world, made, age=301), 401, refused)
    problem(await send(world, made, age=-302), 401, refused)
    problem(await send(world, made, message_id=""), 401, refused)
    problem(await send(world, made, message_id="x" * 256), 401, refused)
    unsigned = await world.api.public.post(f"{HOOKS}/in/{made['id']}", json=MESSAGE)
    problem(unsigned, 401, refused)
    unknown = await send(world, {"id": str(uuid4()), "secret": made["secret"]})
    problem(unknown, 404, "webhook-source-not-found")
    assert await events() == []
    rows = await query.fetch_values(
        "SELECT metadata->>'source_id' FROM audit_log WHERE action = 'webhook_source.refused' ORDER BY id"
    )
    assert rows == [made["id"]] * 6
    assert (await send(world, made, age=295)).status_code == 200


async def test_an_unknown_source_leaves_nothing_behind(world: World) -> None:
    made = await source(world)
    assert (await send(world, {"id": str(uuid4()), "secret": made["secret"]})).status_code == 404
    assert await world.acts("webhook_source.refused") == []
    assert await events() == []


async def test_a_short_number_of_many_digits_stays_short(world: World) -> None:
    made = await source(world)
    body = b"[" + b",".join([b"1e-16000"] * 5000) + b"]"
    assert (await send(world, made, body=body)).status_code == 200
    (stored,) = await query.fetch_values("SELECT payload FROM outbox WHERE kind LIKE 'inbound.%'")
    assert len(stored) < 2 * len(body)


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"", 400, "malformed-body"),
        (b"{", 400, "malformed-body"),
        (b'{"a": "\xff"}', 400, "malformed-body"),
        (b"[" * 5000 + b"]" * 5000, 400, "malformed-body"),
        (b'{"a": "\\u0000"}', 400, "invalid-input"),
        (b'{"a": ' + b"9" * 30 + b"}", 400, "invalid-input"),
        (b'"' + b"a" * 65536 + b'"', 413, "payload-too-large"),
    ],
)
async def test_what_cannot_be_stored_is_refused(world: World, body: bytes, status: int, slug: str) -> None:
    made = await source(world)
    problem(await send(world, made, body=body), status, slug)
    assert await events() == []
    assert (await send(world, made)).json() == {"repeated": False}, "its id is not used up"


async def test_sources_are_made_rotated_and_deleted(world: World) -> None:
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = await source(world, "sis", secret=own)
    assert made["secret"] == own
    problem(await world.client.post(SOURCES, json={"name": "sis"}), 409, "webhook-source-name-taken")
    problem(await world.client.post(SOURCES, json={"name": "Sis"}), 400, "invalid-input")
    wrong = await world.client.post(SOURCES, json={"name": "x", "secret": "whsec_" + "A" * 33})
    assert problem(wrong, 422, "webhook-refused")["errors"][0]["pointer"] == "/secret"
    assert own not in (await world.client.get(SOURCES)).text

    new = (await world.client.post(f"{SOURCES}/{made['id']}/secret")).json()["secret"]
    assert (await send(world, made, message_id="1", secret=new)).status_code == 200
    assert (await send(world, made, message_id="2")).status_code == 200
    await query.execute("UPDATE webhook_sources SET previous_until = now()")
    assert (await send(world, made, message_id="3")).status_code == 401
    stored = await query.fetch_value("SELECT secret FROM webhook_sources")
    assert secret_bytes(new) not in stored

    address = f"{SOURCES}/{made['id']}"
    for method, path in (("GET", address), ("POST", f"{address}/secret"), ("DELETE", address)):
        problem(await world.stranger.request(method, path), 404, "webhook-source-not-found")
        assert (await world.reader.request(method, path)).status_code == 403
    assert (await world.client.delete(address)).status_code == 204
    problem(await send(world, made, secret=new), 404, "webhook-source-not-found")
    acts = [act for act in await world.acts("webhook_source.") if not act.endswith(("received", "refused"))]
    assert acts == ["webhook_source.created", "webhook_source.secret_rotated", "webhook_source.deleted"]


async def test_messages_taken_long_ago_are_forgotten(world: World) -> None:
    from backend.notifications import upkeep

    made = await source(world)
    await send(world, made)
    assert await upkeep.purge_receipts() == 0
    await query.execute("UPDATE webhook_receipts SET received_at = now() - interval '8 days'")
    assert await upkeep.purge_receipts() == 1


async def test_messages_are_limited_by_address(database: Database, valkey_url: str) -> None:
    limits = msgspec.structs.replace(NO_LIMITS, messages=3)
    assert RateLimits().messages == 600
    async with running(database.url, valkey_url, limits=limits) as api:
        await campus.tenant("home")
        answers = [await api.public.post(f"{HOOKS}/in/{uuid4()}", json={}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
