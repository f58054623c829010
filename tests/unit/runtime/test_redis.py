import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from ops.runtime import redis as ours
from ops.runtime.redis import Redis, RedisError, ServerScript, insisting, open_redis, open_redis_blocking


@pytest.fixture
async def silent_url() -> AsyncIterator[str]:
    """A server that takes everything and answers nothing."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()


async def seconds_to_fail(client: Redis) -> float:
    started = time.perf_counter()
    with pytest.raises(RedisError):
        await client.get("key")
    return time.perf_counter() - started


async def test_server_that_is_down_shows_at_once() -> None:
    client = open_redis("redis://127.0.0.1:1/0")
    assert await seconds_to_fail(client) < 1.5
    await client.aclose()


async def test_silent_server_costs_one_caller_and_not_the_next(silent_url: str) -> None:
    client = open_redis(silent_url)
    assert 0.8 < await seconds_to_fail(client) < 2.0
    assert await seconds_to_fail(client) < 0.2
    pipeline = client.pipeline(transaction=False)
    pipeline.get("key")
    with pytest.raises(RedisError, match="left alone"):
        await pipeline.execute()
    with insisting():
        assert await seconds_to_fail(client) > 0.8
    await client.aclose()


async def test_one_command_tries_a_server_again_and_ends_the_pause(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "PAUSE_SECONDS", 0.3)
    client = open_redis(valkey_url)
    client.connection_pool.outage.begin(ConnectionError())  # type: ignore[attr-defined]
    assert await seconds_to_fail(client) < 0.2
    await asyncio.sleep(0.3)
    await client.set("key", "value")
    assert await client.get("key") == b"value"
    await client.aclose()


async def test_refusal_is_an_answer_too(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that comes back without scripts answers NOSCRIPT first; what loads the script must not be held back."""
    monkeypatch.setattr(ours, "PAUSE_SECONDS", 0.3)
    client = open_redis(valkey_url)
    script = ServerScript(client, "return 'loaded'")
    client.connection_pool.outage.begin(ConnectionError())  # type: ignore[attr-defined]
    await asyncio.sleep(0.3)
    assert await script([]) == b"loaded"
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
