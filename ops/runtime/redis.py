"""The one place that opens Redis (or Valkey). What it holds may be lost at any time without losing anything."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import redis as blocking_redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisSilent
from redis.retry import Retry as BlockingRetry

from ops.runtime.logging import get_logger

log = get_logger(__name__)

CONNECT_TIMEOUT_SECONDS = 1.0
ANSWER_TIMEOUT_SECONDS = 1.0
BLOCKED_TIMEOUT_SECONDS = 10.0
BROKER_TIMEOUT_SECONDS = 3.0
MAX_CONNECTIONS = 64
"""Whoever needs a 65th waits for one: a burst of 500 commands must not cost 500 connections, nor be refused."""
PAUSE_SECONDS = 2.0

__all__ = [
    "Redis",
    "RedisError",
    "ServerScript",
    "insisting",
    "open_blocking_broker",
    "open_redis",
    "open_redis_blocking",
]

_insists: ContextVar[bool] = ContextVar("redis_insists", default=False)


def open_redis(url: str) -> Redis:
    """Return a client that answers bytes and gives up after 1 s; nothing is sent until the first command.

    One immediate retry hides a connection that the server closed while idle. After a failure commands fail at once for 2 s,
    so that a server that swallows everything costs one caller a second and not each command of each request; then one
    command tries again.
    """
    return _open(url, ANSWER_TIMEOUT_SECONDS)


def open_redis_blocking(url: str) -> Redis:
    """Return a client for `XREAD BLOCK` and its like with waits of up to 5 s; a server that is silent for 10 s is given up."""
    return _open(url, BLOCKED_TIMEOUT_SECONDS)


def open_blocking_broker(url: str) -> blocking_redis.Redis:
    """Return a client for threads that gives up after 3 s; one immediate retry hides a connection that the server closed."""
    return blocking_redis.Redis.from_url(
        url,
        socket_timeout=BROKER_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=BlockingRetry(NoBackoff(), 1, supported_errors=(RedisGone,)),
        client_name="lyceum",
    )


@contextmanager
def insisting() -> Iterator[None]:
    """Send the commands of this block even while a server that failed is left alone."""
    token = _insists.set(True)
    try:
        yield
    finally:
        _insists.reset(token)


class _Outage:
    """Whether the server is left alone, and since when somebody tries it again."""

    def __init__(self) -> None:
        self._is_on = False
        self._tried_again_at = 0.0

    def refuse(self) -> None:
        """Raise while the server is left alone; lets one command through each time the pause is over."""
        if not self._is_on or _insists.get():
            return
        now = time.monotonic()
        if now < self._tried_again_at:
            raise RedisGone("left alone after a failure")
        self._tried_again_at = now + PAUSE_SECONDS

    def begin(self, error: Exception) -> None:
        self._tried_again_at = time.monotonic() + PAUSE_SECONDS
        if not self._is_on:
            self._is_on = True
            log.warning("redis_away", error=type(error).__name__)

    def end(self) -> None:
        if self._is_on:
            self._is_on = False
            log.info("redis_back")


class _WatchedRetry(Retry):
    """The retry of every exchange with the server; its connections share it, so that one failure speaks for all."""

    def __init__(self, outage: _Outage) -> None:
        super().__init__(NoBackoff(), 1, supported_errors=(RedisGone,))
        self._outage = outage

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    async def call_with_retry(self, *arguments: Any, **options: Any) -> Any:
        try:
            answer = await super().call_with_retry(*arguments, **options)
        except (RedisGone, RedisSilent) as error:
            self._outage.begin(error)
            raise
        except RedisError:
            self._outage.end()  # a refusal is an answer
            raise
        self._outage.end()
        return answer


class _Pool(BlockingConnectionPool):
    """Gives no connection while the server is left alone, and has commands wait their turn when all are in use."""

    outage: _Outage

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        self.outage.refuse()  # after the wait for a place: those who queue when the server fails need not fail one by one
        await super().ensure_connection(connection)


def _open(url: str, answer_timeout_seconds: float) -> Redis:
    outage = _Outage()
    pool = _Pool.from_url(
        url,
        decode_responses=False,
        socket_timeout=answer_timeout_seconds,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=_WatchedRetry(outage),
        max_connections=MAX_CONNECTIONS,
        timeout=answer_timeout_seconds,
        client_name="lyceum",
    )
    pool.outage = outage
    return Redis.from_pool(pool)


class ServerScript:
    """A Lua script of the server. No snapshot or replica holds scripts: a missing one tells of a server that has (re)started.

    `on_fresh_server` runs before the script is loaded again, so that whoever finds it there comes after that.
    """

    def __init__(self, redis: Redis, source: str, on_fresh_server: Callable[[], Awaitable[None]] | None = None) -> None:
        self._redis = redis
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self._on_fresh_server = on_fresh_server

    async def __call__(self, keys: Sequence[str], arguments: Sequence[bytes | str | float] = ()) -> Any:
        """Run it and return its answer; raises `RedisError`."""
        try:
            return await self._redis.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            if self._on_fresh_server is not None:
                await self._on_fresh_server()
            await self._redis.script_load(self._source)
            return await self._redis.evalsha(self._sha, len(keys), *keys, *arguments)
