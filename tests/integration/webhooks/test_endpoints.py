"""Endpoints: made, changed, rotated, refused; secrets shown once and sealed; another institution's do not exist."""

from typing import Any
from uuid import uuid4

import pytest

from backend.notifications import endpoints, upkeep
from db import query
from tests.api import problem
from tests.integration.webhooks.conftest import HOOKS, World

HIDDEN = ("secret", "whsec_")


async def test_an_endpoint_is_made_seen_changed_and_deleted(world: World) -> None:
    made = await world.hook("document.ready", "course.created", "course.created")
    assert made["secret"].startswith("whsec_")
    address = f"{HOOKS}/{made['id']}"
    seen = await world.operator.get(address)
    assert seen.json() == {key: value for key, value in made.items() if key != "secret"}
    assert seen.json()["events"] == ["course.created", "document.ready"]
    listed = await world.client.get(HOOKS)
    assert listed.json()["items"] == [seen.json()]
    assert not any(word in listed.text for word in HIDDEN)

    changed = (await world.client.patch(address, json={"description": "lms", "is_enabled": False})).json()
    assert (changed["description"], changed["disabled_reason"], changed["url"]) == ("lms", "manual", made["url"])
    back = (await world.client.patch(address, json={"is_enabled": True})).json()
    assert (back["is_enabled"], back["disabled_reason"]) == (True, None)
    rotated = (await world.client.post(f"{address}/secret")).json()
    assert rotated["secret"] != made["secret"]
    assert (await world.client.get(address)).json()["previous_until"] == rotated["previous_until"]
    assert (await world.client.delete(address)).status_code == 204
    problem(await world.client.get(address), 404, "webhook-not-found")
    changed_twice = ["webhook.changed"] * 2
    expected = ["webhook.created", *changed_twice, "webhook.secret_rotated", "webhook.deleted"]
    assert await world.acts("webhook.") == expected


async def test_what_is_deleted_is_in_no_list_and_goes_with_its_log(world: World) -> None:
    gone, kept = await world.hook("course.created"), await world.hook("course.created")
    await world.make_course()
    await world.spread()
    await world.client.delete(f"{HOOKS}/{gone['id']}")
    listed = (await world.client.get(HOOKS)).json()["items"]
    assert [item["id"] for item in listed] == [kept["id"]]
    problem(await world.client.get(f"{HOOKS}/{gone['id']}/deliveries"), 404, "webhook-not-found")
    assert await upkeep.purge_deliveries() == 1
    assert await query.fetch_value("SELECT count(*) FROM webhook_endpoints") == 2, "somebody may still write to it"
    await query.execute("UPDATE webhook_endpoints SET deleted_at = deleted_at - interval '61 minutes'")
    assert await upkeep.purge_deliveries() == 1
    assert [str(one) for one in await query.fetch_values("SELECT id FROM webhook_endpoints")] == [kept["id"]]
    assert await query.fetch_value("SELECT count(*) FROM webhook_deliveries") == 1


async def test_an_institution_has_so_many_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST", 2)
    first, _ = [await world.hook() for _ in range(2)]
    body = {"url": first["url"], "events": ["*"]}
    problem(await world.client.post(HOOKS, json=body), 409, "too-many-webhooks")
    await world.client.delete(f"{HOOKS}/{first['id']}")
    assert (await world.client.post(HOOKS, json=body)).status_code == 201


async def test_the_receiver_s_token_is_in_no_entry_of_the_audit_log(world: World) -> None:
    made = await world.hook()
    address = made["url"].partition("://")[2].partition("/")[0]
    body = {"url": f"http://{address}?token=t0psecret", "events": ["*"]}
    assert (await world.client.post(HOOKS, json=body)).status_code == 201
    assert "t0psecret" not in str(await query.fetch_values("SELECT metadata::text FROM audit_log"))


async def test_secrets_are_stored_sealed_and_each_for_its_row(world: World) -> None:
    import base64

    made = [await world.hook() for _ in range(2)]
    secrets = [base64.b64decode(one["secret"].removeprefix("whsec_")) for one in made]
    stored = await query.fetch_values("SELECT secret FROM webhook_endpoints ORDER BY id")
    assert not any(secret in sealed for secret in secrets for sealed in stored)
    text = str(await query.fetch_values("SELECT metadata::text FROM audit_log"))
    assert "token=t" not in text
    assert not any(one["secret"] in text for one in made)
    await query.execute("UPDATE webhook_endpoints SET secret = $1", stored[0])
    await world.make_course()
    await world.spread()
    await world.work()
    assert len(world.receiver.requests) == 1, "a secret of another row cannot be used"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"url": "https://10.0.0.1/hook"}, "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "/url"),
        ({"url": "https://[fd00:ec2::254]/"}, "/url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "/url"),
        ({"url": "https://[64:ff9b::a00:1]/"}, "/url"),
        ({"url": "http://93.184.216.34/"}, "/url"),
        ({"url": "https://nobody.invalid/"}, "/url"),
        ({"url": "https://user:word@93.184.216.34/"}, "/url"),
        ({"url": "ftp://93.184.216.34/"}, "/url"),
        ({"events": ["course.created", "course.baked"]}, "/events/1"),
        ({"events": ["inbound.*"]}, "/events/0"),
        ({"events": ["course.*"]}, "/events/0"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place(world: World, wrong: dict[str, Any], pointer: str) -> None:
    good = {"url": "https://93.184.216.34/hook", "events": ["*"]}
    found = problem(await world.client.post(HOOKS, json=good | wrong), 422, "webhook-refused")
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    made = (await world.client.post(HOOKS, json=good)).json()
    found = problem(await world.client.patch(f"{HOOKS}/{made['id']}", json=wrong), 422, "webhook-refused")
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert (await world.client.get(f"{HOOKS}/{made['id']}")).json()["url"] == good["url"]


async def test_another_institution_s_endpoints_do_not_exist(world: World) -> None:
    made = await world.hook()
    await world.make_course()
    await world.spread()
    (delivery,) = await world.deliveries(made)
    address = f"{HOOKS}/{made['id']}"
    since = {"since": "2026-01-01T00:00:00Z"}
    calls: list[tuple[str, str, Any]] = [
        ("GET", address, None),
        ("PATCH", address, {"description": "x"}),
        ("DELETE", address, None),
        ("POST", f"{address}/secret", None),
        ("POST", f"{address}/ping", None),
        ("POST", f"{address}/replay", since),
        ("GET", f"{address}/deliveries", None),
        ("GET", f"{address}/deliveries/{delivery['id']}", None),
        ("POST", f"{address}/deliveries/{delivery['id']}/replay", None),
    ]
    for method, path, body in calls:
        answer = await world.stranger.request(method, path, json=body)
        problem(answer, 404, "webhook-not-found")
        assert (await world.reader.request(method, path, json=body)).status_code == 403, path
    assert (await world.stranger.get(HOOKS)).json()["items"] == []
    own = (await world.stranger.post(HOOKS, json={"url": world.receiver.url, "events": ["*"]})).json()
    for path in (f"{HOOKS}/{own['id']}/deliveries/{delivery['id']}", f"{address}/deliveries/{uuid4()}"):
        client = world.stranger if own["id"] in path else world.client
        problem(await client.get(path), 404, "webhook-delivery-not-found")


async def test_the_kinds_of_events_are_listed(world: World) -> None:
    kinds = {one["name"]: one for one in (await world.client.get("/api/v1/events/kinds")).json()["items"]}
    assert kinds["course.created"]["fields"] == ["course_id", "faculty_id", "semester_id", "code"]
    assert {"document.ready", "job.dead", "inbound.*"} <= kinds.keys()


async def test_loopback_needs_its_setting_and_development() -> None:
    from ops.runtime.settings import SettingsError, load_settings

    assert load_settings({"LYCEUM_WEBHOOKS_TO_LOOPBACK": "true"}).webhooks_to_loopback
    assert not load_settings({}).webhooks_to_loopback
    with pytest.raises(SettingsError, match="LYCEUM_WEBHOOKS_TO_LOOPBACK"):
        load_settings({"LYCEUM_WEBHOOKS_TO_LOOPBACK": "true", "LYCEUM_ENV": "staging"})
