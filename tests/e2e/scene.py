"""An installation without a worker, so that rows stay as they are put there, and whoever looks at it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uvicorn
from playwright.async_api import Browser

from backend.identity.passwords import hash_password
from backend.kit.subject import Subject
from db.repositories.identity import TenantRow
from ops.local.ports import free_port
from tests import campus
from tests.api import Api, running
from tests.e2e.api import Person
from tests.e2e.visitor import Visitor
from tests.servers import Database

PASSWORD = "Quiet-River-9-stones"
Arrive = Callable[..., Awaitable[Visitor]]


@dataclass
class Scene:
    """An institution, its operator, and the way there."""

    home: TenantRow
    password_hash: str
    arrive: Arrive
    operator: Subject

    @property
    def tenant_id(self) -> UUID:
        return self.home.id

    async def person(self, name: str, *roles: str) -> Subject:
        return await campus.person(self.home, name, *roles, password_hash=self.password_hash)


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[None]:
    """The application on its port."""
    config = uvicorn.Config(api.app, port=api.settings.port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield
    server.should_exit = True
    await serving


@asynccontextmanager
async def staged(browser: Browser, database: Database, valkey_url: str, **settings: Any) -> AsyncIterator[Scene]:
    """Serve it with these `settings` beside its own; at the end no visitor may have heard a complaint."""
    visitors: list[Visitor] = []
    async with (
        running(database.url, valkey_url, port=free_port(), **settings) as api,
        served(api),
        AsyncExitStack() as contexts,
    ):

        async def arrive(person: Subject, width: int = 1280, height: int = 860, **options: Any) -> Visitor:
            context = await browser.new_context(viewport={"width": width, "height": height}, **options)
            contexts.push_async_callback(context.close)
            visitor = Visitor(context, await context.new_page(), api.settings.base_url)
            visitor.watch()
            visitors.append(visitor)
            await visitor.sign_in(Person(person.email, PASSWORD))
            return visitor

        home, secret = await campus.tenant("works"), await hash_password(PASSWORD)
        operator = await campus.person(home, "oda", "ops", password_hash=secret)
        yield Scene(home, secret, arrive, operator)
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
