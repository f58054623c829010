"""The one Piccolo engine of a process and its pool.

Piccolo's own engine connects when it is built and asks for an extension; ours does neither, so that tables can be
imported anywhere and the address is given when a process starts.
"""

import asyncio
from types import TracebackType
from typing import Any

from asyncpg import Connection
from asyncpg.pool import Pool, PoolConnectionProxy
from piccolo.engine.postgres import PostgresEngine
from piccolo.querystring import QueryString

from db.errors import DatabaseUnavailable, translated
from db.pool_gauges import POOL_GAUGES
from ops.runtime.settings import Settings

ACQUIRE_TIMEOUT_SECONDS = 3.0
COMMAND_TIMEOUT_SECONDS = 30.0
CLOSE_SECONDS = 3.0


class Engine(PostgresEngine):
    """Piccolo's engine without a connection at construction and with our exceptions."""

    async def get_version(self) -> float:
        """Say the oldest version the SQL is written for; nothing is asked of a server."""
        return 15.0

    async def prep_database(self) -> None:
        """Create no extension: the bundled server has none to offer."""

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> Any:
        """Run one query of Piccolo's builder."""
        with translated():
            return await super().run_querystring(querystring, in_pool)


ENGINE = Engine(config={})


async def open_database(settings: Settings, *, pool_size: int = 10) -> None:
    """Open the pool to `DATABASE_URL`.

    Raises:
        DatabaseUnavailable: no server answers there.
    """
    await open_pool(settings.database_url, pool_size=pool_size)


async def open_pool(url: str, *, pool_size: int = 10) -> None:
    """Open the pool to `url` with at most `pool_size` connections."""
    with translated():
        await ENGINE.start_connection_pool(
            dsn=url,
            min_size=1,
            max_size=pool_size,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            timeout=ACQUIRE_TIMEOUT_SECONDS,
            reset=_keep_session,
        )
    POOL_GAUGES.show(ENGINE.pool)


async def _keep_session(_connection: Connection) -> None:
    """Spare the round trip of asyncpg's reset (a sixth of a short request): nothing here leaves a mark on a session.

    An open transaction is rolled back before this is called. Locks are taken per transaction, or in `db.session`.
    """


async def close_database() -> None:
    """Close the pool if one is open, in order as long as the server answers."""
    if ENGINE.pool is None:
        return
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await ENGINE.close_connection_pool()
    except TimeoutError:
        drop_pool()


def drop_pool() -> None:
    """Cut all connections; whoever waits for an answer fails now."""
    if ENGINE.pool is not None:
        pool, ENGINE.pool = ENGINE.pool, None
        pool.terminate()


class _Lent:
    """See `connection`."""

    __slots__ = ("_connection", "_pool")

    async def __aenter__(self) -> "Connection | PoolConnectionProxy":
        self._pool: Pool | None = None
        transaction = ENGINE.current_transaction.get()
        if transaction is not None:
            return transaction.connection
        if ENGINE.pool is None:
            raise DatabaseUnavailable("the pool is not open")
        pool = ENGINE.pool
        self._connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
        self._pool = pool
        return self._connection

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await self._pool.release(self._connection)


def connection() -> _Lent:
    """Lend, to an ``async with``, the connection of the current transaction, else one of the pool."""
    return _Lent()


async def ping() -> None:
    """Raise `DatabaseUnavailable` unless the server answers."""
    with translated():
        async with connection() as lent:
            await lent.execute("SELECT 1")
