"""Clock and worker as processes: from the act to the receiver, also when a worker is killed while it sends."""

import asyncio
from pathlib import Path

import pytest

from backend.notifications import endpoints
from backend.notifications.schemas import NewWebhook
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Sender
from backend.notifications.signatures import secret_bytes, verify
from db import query
from ops.runtime.settings import Settings
from tests import campus
from tests.integration.webhooks.receiver import Received, Receiver, receiving, silence, status
from tests.processes import Running, process, start
from tests.servers import Database

pytestmark = pytest.mark.long

NOBODY = "http://127.0.0.1:9"
PATIENCE_SECONDS = 90


async def worker(settings: Settings, folder: Path) -> Running:
    folder.mkdir()
    return await asyncio.to_thread(start, "worker", settings, folder, arguments=", ['notify']")


async def told(receiver: Receiver, count: int) -> Received:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(receiver.requests) < count:
            await asyncio.sleep(0.02)
    return receiver.requests[-1]


async def test_a_message_arrives_although_its_worker_is_killed(
    database: Database, valkey_url: str, broker_url: str, tmp_path: Path
) -> None:
    settings = campus.settings_for(
        database.url,
        valkey_url,
        broker_url=broker_url,
        data_dir=tmp_path,
        gateway_url=NOBODY,
        qdrant_url=NOBODY,
        object_store_url=f"file://{tmp_path}/objects",
        webhooks_to_loopback=True,
    )
    async with campus.opened(settings), receiving() as receiver:
        receiver.answer(silence, status(204))
        admin = await campus.person(await campus.tenant("home"), "ada", "admin")
        new = NewWebhook(url=receiver.url, events=["course.created"])
        hook = await endpoints.create_webhook(admin, Sender(to_loopback=True), Secrets(settings.master_key), new)
        with process("clock", settings, tmp_path):
            first = await worker(settings, tmp_path / "first")
            await campus.course(admin, await campus.place(admin, "SCI"), "C1")
            half = await told(receiver, 1)
            first.kill()
            second = await worker(settings, tmp_path / "second")
            whole = await told(receiver, 2)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await query.fetch_value("SELECT state FROM webhook_deliveries") != "delivered":
                    await asyncio.sleep(0.02)
            assert second.stop() == 0
    assert (half.headers["webhook-id"], half.body) == (whole.headers["webhook-id"], whole.body)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signature = (whole.headers[name] for name in names)
    verify([secret_bytes(hook.secret)], message_id, timestamp, signature, whole.body)
