"""Keeps a process's pool open to a server that answers, and to none that does not.

A server that refuses shows at once. One that takes everything and answers nothing (a stalled disk, a cut cable) would hold
each request until its statement's time limit: so one session asks it every second, and after 3 s of silence the pool is
dropped. Whoever waits fails at that moment, whoever comes later fails at once, until the server answers again.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from db.engine import ENGINE, close_database, drop_pool, open_pool
from db.errors import DatabaseUnavailable, translated
from ops.runtime.logging import get_logger
from ops.runtime.settings import Settings

log = get_logger(__name__)

INTERVAL_SECONDS = 1.0
SILENCE_SECONDS = 1.5
SILENCES = 2
"""Two waits instead of one long one: when the event loop itself was held up, the answer lies there after the first."""
CONNECT_SECONDS = 3.0
RETRY_SECONDS = 0.5


@asynccontextmanager
async def watched_database(settings: Settings, *, pool_size: int, wait_seconds: float = 0.5) -> AsyncIterator[None]:
    """Hold the pool open for the block, which begins when it is open or after `wait_seconds`."""
    opened = asyncio.Event()
    watch = asyncio.create_task(_watch(settings.database_url, pool_size, opened), context=contextvars.Context())
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds):
                await opened.wait()
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await close_database()


async def _watch(url: str, pool_size: int, opened: asyncio.Event) -> None:
    is_away = False
    while True:
        try:
            session = await _connected(url, pool_size)
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            if not is_away:
                log.warning("database_away", error=type(error.__cause__ or error).__name__)
            is_away = True
            drop_pool()
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if is_away:
            log.info("database_back")
        is_away = False
        opened.set()
        if await _falls_silent(session):
            log.warning("database_silent")
            drop_pool()


async def _connected(url: str, pool_size: int) -> asyncpg.Connection:
    with translated():
        session = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    if ENGINE.pool is None:
        await open_pool(url, pool_size=pool_size)
    return session


async def _falls_silent(session: asyncpg.Connection) -> bool:
    """Ask until there is no answer; False when the session was ended, which tells nothing of the pool's."""
    try:
        while True:
            question = asyncio.ensure_future(session.execute("SELECT 1"))
            question.add_done_callback(_heard)
            for _ in range(SILENCES):
                await asyncio.wait({question}, timeout=SILENCE_SECONDS)
            if not question.done():
                return True
            with translated():
                question.result()
            await asyncio.sleep(INTERVAL_SECONDS)
    except (DatabaseUnavailable, asyncpg.PostgresError):
        return False
    finally:
        session.terminate()


def _heard(question: "asyncio.Future[str]") -> None:
    """Take note of an error that nobody waits for any more."""
    if not question.cancelled():
        question.exception()
