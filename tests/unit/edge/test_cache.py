import msgspec
import pytest

from backend.kit.cache import Cache
from ops.runtime.redis import Redis, open_redis


class Note(msgspec.Struct, frozen=True):
    text: str
    number: int = 0


async def test_value_lives_for_its_time(redis: Redis) -> None:
    notes = Cache(redis, "notes")
    assert await notes.get("one", Note) is None
    await notes.put("one", Note("hello", 1), ttl_seconds=30)
    assert await notes.get("one", Note) == Note("hello", 1)
    assert 0 < await redis.ttl("notes:one") <= 30
    assert await notes.delete("one")
    assert await notes.get("one", Note) is None


async def test_namespaces_do_not_meet(redis: Redis) -> None:
    await Cache(redis, "a").put("one", 1, ttl_seconds=30)
    assert await Cache(redis, "b").get("one", int) is None


async def test_value_of_another_version_is_a_miss(redis: Redis) -> None:
    notes = Cache(redis, "notes")
    await redis.set("notes:one", b"\xc1garbage")
    assert await notes.get("one", Note) is None
    await notes.put("two", {"text": 5}, ttl_seconds=30)
    assert await notes.get("two", Note) is None


async def test_without_redis_everything_is_a_miss_and_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    down = open_redis("redis://127.0.0.1:1/0")
    notes = Cache(down, "notes")
    for _ in range(5):
        await notes.put("one", 1, ttl_seconds=30)
        assert await notes.get("one", int) is None
    assert not await notes.delete("one")
    assert "".join(capfd.readouterr()).count("redis_away") == 1
    await down.aclose()


async def test_cache_without_an_address_is_always_empty() -> None:
    notes = Cache(None, "notes")
    await notes.put("one", 1, ttl_seconds=30)
    assert await notes.get("one", int) is None
