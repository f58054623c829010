"""A cache of small values in Redis. What is in it may be lost at any time; without Redis every look-up is a miss."""

import time
from typing import TypeVar

import msgspec

from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError

log = get_logger(__name__)

T = TypeVar("T")
WARN_EVERY_SECONDS = 60.0
REDIS_PAUSE_SECONDS = 2.0


class Cache:
    """Values of one namespace, as MessagePack. Whoever puts scope or version into the key needs no purge to be safe."""

    def __init__(self, redis: Redis | None, namespace: str) -> None:
        self._redis = redis
        self._namespace = namespace
        self._paused_until = 0.0
        self._warned_at = -WARN_EVERY_SECONDS

    def key(self, name: str) -> str:
        """Return the full key, e.g. to read it along with `RequestGate.admit`."""
        return f"{self._namespace}:{name}"

    async def get(self, name: str, kind: type[T]) -> T | None:
        """Return the value, or None when there is none, Redis is down, or it has the form of another version."""
        redis = self._usable()
        if redis is None:
            return None
        try:
            raw: bytes | None = await redis.get(self.key(name))  # type: ignore[assignment]  # bytes: see open_redis
            return self.decode(raw, kind)
        except RedisError as error:
            self._lost(error)
            return None

    def decode(self, raw: bytes | None, kind: type[T]) -> T | None:
        """Decode a value that was read elsewhere; None stays None, another version's form is a miss."""
        if raw is None:
            return None
        try:
            return msgspec.msgpack.decode(raw, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def put(self, name: str, value: object, ttl_seconds: int) -> None:
        """Store the value for `ttl_seconds`; without Redis nothing happens."""
        redis = self._usable()
        if redis is None:
            return
        try:
            await redis.set(self.key(name), msgspec.msgpack.encode(value), ex=ttl_seconds)
        except RedisError as error:
            self._lost(error)

    async def delete(self, *names: str) -> bool:
        """Remove values; False when Redis did not confirm it, so that they may live on until their time ends."""
        redis = self._usable()
        if redis is None or not names:
            return not names
        try:
            await redis.delete(*(self.key(name) for name in names))
        except RedisError as error:
            self._lost(error)
            return False
        return True

    def _usable(self) -> Redis | None:
        return None if time.monotonic() < self._paused_until else self._redis

    def _lost(self, error: RedisError) -> None:
        now = time.monotonic()
        self._paused_until = now + REDIS_PAUSE_SECONDS
        if now - self._warned_at >= WARN_EVERY_SECONDS:
            self._warned_at = now
            log.warning("cache_without_redis", namespace=self._namespace, error=type(error).__name__)
