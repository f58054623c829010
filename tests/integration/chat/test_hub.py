"""What other processes' answers are read with, on its own."""

import asyncio

import pytest

from backend.chat.hub import StreamHub
from ops.runtime.ids import MessageId, new_id
from ops.runtime.redis import open_redis, open_redis_blocking


@pytest.mark.parametrize("steps", range(16))
async def test_a_hub_closes_wherever_its_reading_stands(valkey_url: str, steps: int) -> None:
    """A cancellation within some steps of a connection's beginning is swallowed by redis-py."""
    redis, blocking = open_redis(valkey_url), open_redis_blocking(valkey_url)
    hub = StreamHub(redis, blocking)
    subscription = await hub.subscribe(MessageId(new_id()), 0)
    for _ in range(steps):
        await asyncio.sleep(0)
    hub.leave(subscription)
    async with asyncio.timeout(10):
        await hub.close()
    assert hub._task is not None
    assert hub._task.done()
    await blocking.aclose()
    await redis.aclose()
