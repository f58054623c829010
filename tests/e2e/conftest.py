"""A browser before the whole running system. `CHROMIUM` names another one than Debian's."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.api import Campus
from tests.e2e.scene import Scene, staged
from tests.e2e.visitor import Visitor
from tests.servers import Database
from tests.stack import Stack

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
)

expect.set_options(timeout=20_000)  # while another worker of the suite has the machine
Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="session")
def campus(stack: Stack) -> Iterator[Campus]:
    made = Campus(stack)
    made.wait_for_demo()
    yield made
    made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all stories, so that they share a browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *root], chromium_sandbox=not root
        )
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, campus: Campus, stack: Stack) -> AsyncIterator[Visit]:
    """Makes visitors, each with cookies of their own; at the end none of them may have heard a complaint.

    `campus` is asked for because its demo has to be read before anybody looks at it.
    """
    del campus
    visitors: list[Visitor] = []
    async with AsyncExitStack() as contexts:

        async def arrive(width: int = 1280, height: int = 860, **options: Any) -> Visitor:
            context = await browser.new_context(viewport={"width": width, "height": height}, **options)
            contexts.push_async_callback(context.close)
            visitor = Visitor(context, await context.new_page(), stack.base_url)
            visitor.watch()
            visitors.append(visitor)
            return visitor

        yield arrive
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@pytest_asyncio.fixture(loop_scope="session")
async def scene(browser: Browser, database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with staged(browser, database, valkey_url) as opened:
        yield opened
