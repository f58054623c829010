"""The generate operation in the test's process, in front of a gateway and a model that speaks OpenAI's wire format."""

import base64
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from backend.kit.subject import Subject
from backend.tutoring import controller as tutoring
from inference_gateway.stores import open_stores
from inference_gateway.upstreams.deadlines import Deadlines
from ops.runtime.settings import Settings
from tests import api, campus
from tests.fakes import fixtures
from tests.fakes.server import FakeServer
from tests.gateways import RunningGateway, running_gateway
from tests.servers import Database

DEADLINES = Deadlines(connect_seconds=20.0, first_seconds=20.0, between_seconds=20.0)

fake_openai = fixtures.fake_openai


@dataclass(frozen=True)
class Desk:
    """Learners and the model behind them."""

    fake: FakeServer
    ada: httpx.AsyncClient
    bob: httpx.AsyncClient
    nobody: httpx.AsyncClient
    subject: Subject

    async def ask(self, who: httpx.AsyncClient | None = None, **body: Any) -> httpx.Response:
        return await (who or self.ada).post("/api/v1/generate", json={"prompt": "Why is the sky blue?"} | body)

    def seen(self) -> list[dict[str, str]]:
        """The messages of the last request to the model."""
        messages: list[dict[str, str]] = self.fake.generations()[-1].body["messages"]
        return messages


@contextmanager
def caching_gateway(generation_url: str, redis_url: str) -> Iterator[RunningGateway]:
    key = os.urandom(32)
    settings = Settings(redis_url=redis_url, service_key=base64.b64encode(key).decode())
    with running_gateway(
        key=key,
        generation_url=generation_url,
        deadlines=DEADLINES,
        stores=lambda unset: open_stores(settings, unset),
    ) as gateway:
        yield gateway


@pytest.fixture
async def desk(database: Database, valkey_url: str, fake_openai: FakeServer) -> AsyncIterator[Desk]:
    with caching_gateway(fake_openai.url, valkey_url) as gateway:
        async for opened in at_desk(database, valkey_url, fake_openai, gateway):
            yield opened


async def at_desk(
    database: Database, valkey_url: str, fake: FakeServer, gateway: RunningGateway
) -> AsyncIterator[Desk]:
    service_key = base64.b64encode(gateway.key).decode()
    others: dict[str, Any] = {"gateway_url": gateway.url, "service_key": service_key}
    async with api.running(database.url, valkey_url, controllers=tutoring.controllers, **others) as running:
        home = await campus.tenant("home")
        ada, bob = await campus.person(home, "ada", "student"), await campus.person(home, "bob", "student")
        guest = await campus.person(home, "guest", "ops")
        yield Desk(
            fake,
            await running.signed_in(ada),
            await running.signed_in(bob),
            await running.signed_in(guest),
            ada,
        )
