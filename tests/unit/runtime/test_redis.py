import time

import pytest

from ops.runtime.redis import RedisError, open_redis, open_redis_blocking


async def test_server_that_is_down_shows_at_once() -> None:
    client = open_redis("redis://127.0.0.1:1/0")
    started = time.perf_counter()
    with pytest.raises(RedisError):
        await client.ping()
    assert time.perf_counter() - started < 1.5
    await client.aclose()


async def test_answers_are_bytes(valkey_url: str) -> None:
    client = open_redis(valkey_url)
    await client.set("key", "value")
    assert await client.get("key") == b"value"
    await client.aclose()


async def test_blocking_client_outwaits_the_ordinary_limit(valkey_url: str) -> None:
    client = open_redis_blocking(valkey_url)
    assert not await client.xread({"nothing": "$"}, block=2500)
    await client.aclose()
