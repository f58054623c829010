"""Real clocks, killed: each event has its effect once."""

import asyncio
from pathlib import Path

import pytest
import redis

from actors.events import CONSUMER_NAMES
from backend.notifications.sealing import Secrets
from db import query
from db.repositories import webhooks
from db.repositories.webhooks import EndpointRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from ops.runtime.settings import Settings
from tests import campus
from tests.integration.events.conftest import Bus
from tests.processes import Running, start
from tests.servers import Database

pytestmark = pytest.mark.long

HANDLED_SECONDS = 60
EVENTS = 60


@pytest.fixture
async def settings(bus: Bus, database: Database, valkey_url: str, broker_url: str, tmp_path: Path) -> Settings:
    """An endpoint subscribes; no worker runs, so that deliveries stay as the clocks wrote them."""
    nobody = "http://127.0.0.1:9"
    made = campus.settings_for(
        database.url,
        valkey_url,
        broker_url=broker_url,
        data_dir=tmp_path,
        gateway_url=nobody,
        qdrant_url=nobody,
        object_store_url=f"file://{tmp_path}/objects",
    )
    now = await query.fetch_value("SELECT now()")
    endpoint_id = new_id()
    row = EndpointRow(
        id=endpoint_id,
        tenant_id=bus.someone.tenant_id,
        url="https://hooks.example/",
        description="",
        events=["course.created"],
        secret=Secrets(made.master_key).sealed(endpoint_id, bytes(32)),
        previous_secret=None,
        previous_until=None,
        is_enabled=True,
        disabled_reason=None,
        failing_since=None,
        created_by=None,
        created_at=now,
        updated_at=now,
    )
    async with unit_of_work() as uow:
        await webhooks.put(uow, row)
    return made


async def _clock(settings: Settings, folder: Path) -> Running:
    folder.mkdir(exist_ok=True)
    return await asyncio.to_thread(start, "clock", settings, folder)


async def _all_handled(count: int) -> None:
    async with asyncio.timeout(HANDLED_SECONDS):
        while await query.fetch_value("SELECT count(*) FROM event_receipts") < count:
            await asyncio.sleep(0.05)


async def _check(count: int) -> None:
    """One delivery and one job for each event, and a place for each."""
    per_event = await query.fetch_values(
        """SELECT count(DISTINCT d.id) + 1000 * count(DISTINCT j.id) FROM outbox o
           LEFT JOIN webhook_deliveries d ON d.event_id = o.id
           LEFT JOIN jobs j ON j.args->>'delivery_id' = d.id::text GROUP BY o.id"""
    )
    assert per_event == [1001] * count
    assert await query.fetch_values("SELECT position FROM outbox ORDER BY position") == list(range(1, count + 1))
    assert await query.fetch_value("SELECT count(*) FROM jobs WHERE kind = 'notifications.deliver'") == count


async def test_a_clock_killed_between_commit_and_relay(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    first = await _clock(settings, tmp_path / "first")
    await bus.emit(5)
    await _all_handled(5)
    first.kill()
    await bus.emit(5)  # committed, and nobody is there to relay them
    second = await _clock(settings, tmp_path / "second")
    await _all_handled(10)
    assert second.stop() == 0
    await _check(10)
    assert len(await bus.entries()) == 10


async def test_two_clocks_that_are_killed_in_turn_while_events_come(
    bus: Bus, settings: Settings, tmp_path: Path, valkey_url: str
) -> None:
    clocks = [await _clock(settings, tmp_path / name) for name in ("a", "b")]
    for turn in range(3):
        for _ in range(EVENTS // 3):
            await bus.emit()
            await asyncio.sleep(0.02)
        clocks[turn % 2].kill()
        if turn == 1:
            with redis.Redis.from_url(valkey_url) as client:
                client.flushdb()
        clocks[turn % 2] = await _clock(settings, tmp_path / f"turn{turn}")
    await _all_handled(EVENTS)
    for clock in clocks:
        assert clock.stop() == 0
    await _check(EVENTS)
    assert await query.fetch_values("SELECT name FROM event_consumers") == CONSUMER_NAMES
    assert await query.fetch_value("SELECT count(*) FROM event_failures") == 0
