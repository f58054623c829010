"""The one place that opens Redis (or Valkey). What it holds may be lost at any time without losing anything."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

CONNECT_TIMEOUT_SECONDS = 1.0
ANSWER_TIMEOUT_SECONDS = 2.0
MAX_CONNECTIONS = 512

__all__ = ["Redis", "RedisError", "ServerScript", "open_redis", "open_redis_blocking"]


def open_redis(url: str) -> Redis:
    """Return a client that answers bytes and gives up after 2 s; nothing is sent until the first command.

    One immediate retry hides a connection that the server closed while idle; a server that is down shows at once.
    """
    return _open(url, ANSWER_TIMEOUT_SECONDS)


def open_redis_blocking(url: str) -> Redis:
    """Return a client without a limit on the wait for an answer, for `XREAD BLOCK` and its like."""
    return _open(url, None)


def _open(url: str, answer_timeout_seconds: float | None) -> Redis:
    return Redis.from_url(
        url,
        decode_responses=False,
        socket_timeout=answer_timeout_seconds,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
        max_connections=MAX_CONNECTIONS,
        client_name="lyceum",
    )


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
