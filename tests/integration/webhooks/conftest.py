"""The api, a tenant with people and a course to change, a clock's consumer, a worker's runner, and a receiver."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest

from actors.events import CONSUMERS, Consuming
from actors.families import REGISTRY
from actors.runner import Runner
from actors.tools import Tools
from backend.kit.subject import Subject
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Sender
from db import query
from db.repositories import outbox
from ops.runtime.ids import new_id
from ops.runtime.redis import open_redis_blocking
from tests import campus
from tests.api import Api, running
from tests.integration.webhooks.receiver import Receiver, receiving
from tests.servers import Database

HOOKS = "/api/v1/webhooks"
assert REGISTRY  # the actors are declared


@dataclass
class World:
    """`client` is an administrator's, `operator` an operator's, `reader` a student's, `stranger` another tenant's."""

    api: Api
    admin: Subject
    place: campus.Place
    client: httpx.AsyncClient
    operator: httpx.AsyncClient
    reader: httpx.AsyncClient
    stranger: httpx.AsyncClient
    receiver: Receiver
    consumer: Consuming
    sender: Sender
    _courses: int = field(default=0)

    async def hook(self, *events: str, url: str = "") -> dict[str, Any]:
        """An endpoint at the receiver."""
        body = {"url": url or self.receiver.url, "events": list(events) or ["course.created"]}
        answer = await self.client.post(HOOKS, json=body)
        made: dict[str, Any] = answer.raise_for_status().json()
        return made

    async def make_course(self) -> UUID:
        """One act with one event."""
        self._courses += 1
        return (await campus.course(self.admin, self.place, f"W{self._courses}")).id

    async def spread(self) -> int:
        """What the clock does: number events and have them consumed."""
        await outbox.number()
        return await self.consumer.catch_up()

    async def work(self, attempts: int = 30) -> int:
        """What a worker does with everything that is due; return how many attempts that took."""
        tools = SimpleNamespace(webhook_sender=self.sender, webhook_secrets=Secrets(self.api.settings.master_key))
        runner = Runner(new_id(), cast(Tools, tools))
        for count in range(attempts):
            job_id = await query.fetch_value(
                """SELECT id FROM jobs WHERE state IN ('queued', 'waiting') AND kind = 'notifications.deliver'
                   AND coalesce(retry_at, now()) <= now() ORDER BY id LIMIT 1"""
            )
            if job_id is None:
                return count
            await runner.run(job_id)
        raise AssertionError(f"still jobs after {attempts}")

    async def hurry(self) -> None:
        """Let the time of the next attempts come."""
        await query.execute("UPDATE jobs SET retry_at = now(), created_at = now() WHERE state = 'waiting'")

    async def deliveries(self, hook: dict[str, Any]) -> list[dict[str, Any]]:
        """The log as the API gives it, newest first."""
        answer = await self.client.get(f"{HOOKS}/{hook['id']}/deliveries")
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    async def acts(self, prefix: str) -> list[str]:
        """Audit actions, in order."""
        return await query.fetch_values(
            "SELECT action FROM audit_log WHERE starts_with(action, $1) ORDER BY id", prefix
        )


@pytest.fixture
async def world(database: Database, valkey_url: str) -> AsyncIterator[World]:
    async with running(database.url, valkey_url, webhooks_to_loopback=True) as api, receiving() as receiver:
        home, away = await campus.tenant("home"), await campus.tenant("away")
        admin = await campus.person(home, "ada", "admin")
        people = [
            admin,
            await campus.person(home, "oda", "ops"),
            await campus.person(home, "sam", "student"),
            await campus.person(away, "eve", "admin", "ops"),
        ]
        clients = [await api.signed_in(person) for person in people]
        redis = open_redis_blocking(valkey_url)
        consumer = Consuming(CONSUMERS[0], redis)
        place = await campus.place(admin, "SCI")
        sender = Sender(to_loopback=True)
        yield World(api, admin, place, *clients, receiver, consumer, sender)  # type: ignore[call-arg, arg-type]
        await redis.aclose()
