"""A cache of small values in Redis. What is in it may be lost at any time; without Redis every look-up is a miss."""

import contextlib
from typing import TypeVar

import msgspec

from ops.runtime.redis import Redis, RedisError

T = TypeVar("T")


class Cache:
    """Values of one namespace, as MessagePack. Whoever puts scope or version into the key needs no purge to be safe."""

    def __init__(self, redis: Redis | None, namespace: str) -> None:
        self._redis = redis
        self._namespace = namespace

    def key(self, name: str) -> str:
        """Return the full key, e.g. to read it along with `RequestGate.admit`."""
        return f"{self._namespace}:{name}"

    async def get(self, name: str, kind: type[T]) -> T | None:
        """Return the value, or None when there is none, Redis is down, or it has the form of another version."""
        if self._redis is None:
            return None
        try:
            raw: bytes | None = await self._redis.get(self.key(name))  # type: ignore[assignment]  # bytes: see open_redis
        except RedisError:
            return None
        return self.decode(raw, kind)

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
        if self._redis is not None:
            with contextlib.suppress(RedisError):
                await self._redis.set(self.key(name), msgspec.msgpack.encode(value), ex=ttl_seconds)

    async def delete(self, *names: str) -> bool:
        """Remove values; False when Redis did not confirm it, so that they may live on until their time ends."""
        if self._redis is None or not names:
            return not names
        try:
            await self._redis.delete(*(self.key(name) for name in names))
        except RedisError:
            return False
        return True
