"""The one place that opens Redis (or Valkey). What it holds may be lost at any time without losing anything."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

CONNECT_TIMEOUT_SECONDS = 1.0
ANSWER_TIMEOUT_SECONDS = 2.0
MAX_CONNECTIONS = 512

__all__ = ["NoScriptError", "Redis", "RedisError", "open_redis", "open_redis_blocking"]


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
