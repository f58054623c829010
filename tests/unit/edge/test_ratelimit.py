"""Buckets in Valkey and in memory, and what callers see of them."""

import asyncio
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit.ratelimit import LocalBuckets, RateLimits, RequestGate, address_bucket
from ops.runtime.redis import Redis, open_redis
from tests.unit.edge.conftest import BEARER, edge_app, serving

LIMITS = RateLimits(reads=6, writes=2, questions=1, sign_ins=2)


async def test_bucket_empties_and_says_so(redis: Redis) -> None:
    gate = RequestGate(redis, LIMITS)
    answers = [await gate.admit("reads", "ada") for _ in range(8)]
    assert [answer.allowed for answer in answers] == [True] * 6 + [False] * 2
    assert [answer.remaining for answer in answers] == [5, 4, 3, 2, 1, 0, 0, 0]
    assert {answer.limit for answer in answers} == {6}
    assert answers[5].reset_seconds == 60
    assert 9 <= answers[6].retry_after_seconds <= 10


async def test_people_and_classes_have_their_own_buckets(redis: Redis) -> None:
    gate = RequestGate(redis, LIMITS)
    assert (await gate.admit("questions", "ada")).allowed
    assert not (await gate.admit("questions", "ada")).allowed
    assert (await gate.admit("questions", "bob")).allowed
    assert (await gate.admit("writes", "ada")).allowed


async def test_tokens_come_back_with_time(redis: Redis) -> None:
    gate, started = RequestGate(redis, RateLimits(reads=60)), time.monotonic()

    async def until_refused() -> int:
        admitted = 0
        while (await gate.admit("reads", "ada")).allowed:
            admitted += 1
        return admitted

    at_once = await until_refused()
    await asyncio.sleep(1.1)
    later = await until_refused()
    assert later >= 1
    assert at_once + later <= 60 + time.monotonic() - started, "one a second, and the sixty"


async def test_processes_share_one_bucket(redis: Redis, valkey_url: str) -> None:
    other = open_redis(valkey_url)
    gates = [RequestGate(redis, LIMITS), RequestGate(other, LIMITS)]
    answers = await asyncio.gather(*(gates[number % 2].admit("reads", "ada") for number in range(20)))
    assert sum(answer.allowed for answer in answers) == 6
    await other.aclose()


async def test_values_come_along_even_when_refused(redis: Redis) -> None:
    await redis.set("auth:1", b"\x00session\xff")
    gate = RequestGate(redis, LIMITS)
    for _ in range(3):
        answer = await gate.admit("writes", "ada", ["auth:1", "auth:2"])
        assert answer.cached == (b"\x00session\xff", None)
    assert not answer.allowed


async def test_one_round_trip(redis: Redis) -> None:
    gate = RequestGate(redis, LIMITS)
    await gate.admit("reads", "ada")
    before = (await redis.info("stats"))["total_commands_processed"]
    await gate.admit("reads", "ada", ["one", "two"])
    after = (await redis.info("stats"))["total_commands_processed"]
    commands_inside_the_script = 5
    assert after - before <= 2 + commands_inside_the_script


async def test_bucket_is_forgotten_when_full(redis: Redis) -> None:
    await RequestGate(redis, LIMITS).admit("reads", "ada")
    assert 0 < await redis.pttl("rate:reads:ada") <= 10_000


async def test_without_redis_half_the_rate_never_none() -> None:
    down = open_redis("redis://127.0.0.1:1/0")
    gate = RequestGate(down, LIMITS)
    answers = [await gate.admit("reads", "ada", ["one"]) for _ in range(5)]
    assert [answer.allowed for answer in answers] == [True] * 3 + [False] * 2
    assert answers[0].limit == 3
    assert answers[0].cached == (None,)
    assert (await gate.admit("questions", "ada")).allowed
    assert not (await gate.admit("questions", "ada")).allowed
    await down.aclose()


async def test_redis_that_comes_back_is_used_again(redis: Redis) -> None:
    gate = RequestGate(redis, LIMITS)
    script = gate._script
    gate._script = RequestGate(open_redis("redis://127.0.0.1:1/0"), LIMITS)._script
    assert (await gate.admit("reads", "ada")).limit == 3
    gate._script = script
    assert (await gate.admit("reads", "ada")).limit == 6


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 10))
def test_local_buckets_never_give_more_than_the_limit(takers: list[int], limit: int) -> None:
    buckets = LocalBuckets()
    taken = [buckets.take(str(taker), 60_000 / limit, 60_000)[0] for taker in takers]
    for taker in set(takers):
        assert sum(ok for who, ok in zip(takers, taken, strict=True) if who == taker) <= limit


def test_local_buckets_are_bounded() -> None:
    buckets = LocalBuckets(size=10)
    for number in range(100):
        buckets.take(str(number), 1, 60_000)
    assert len(buckets._full_at) == 10


async def test_caller_sees_the_limit_and_when_to_come_back(valkey_url: str) -> None:
    async with serving(edge_app(redis_url=valkey_url, limits=LIMITS)) as client:
        first = await client.get("/me", headers=BEARER)
        assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("6", "5")
        for _ in range(5):
            assert (await client.get("/me", headers=BEARER)).status_code == 200
        refused = await client.get("/me", headers=BEARER)
        assert refused.status_code == 429
        assert refused.json()["type"] == "/problems/rate-limited"
        assert refused.headers.get_list("retry-after") == [refused.headers["retry-after"]]
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert (await client.post("/things", json={"title": "x"}, headers=BEARER)).status_code == 201


async def test_sign_ins_are_limited_by_address(valkey_url: str) -> None:
    async with serving(edge_app(redis_url=valkey_url, limits=LIMITS)) as client:
        statuses = [(await client.post("/sign-in")).status_code for _ in range(4)]
    assert statuses == [201, 201, 429, 429]


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_network_is_one_address(address: str, bucket: str) -> None:
    assert address_bucket(address) == bucket


async def test_neighbours_of_an_ipv6_network_share_the_sign_ins() -> None:
    app = edge_app(limits=RateLimits(sign_ins=4))
    async with serving(app):
        for number, status in enumerate((201, 201, 429, 429)):
            transport = httpx.ASGITransport(app, client=(f"2001:db8::{number + 1}", 1))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver.local") as client:
                assert (await client.post("/sign-in")).status_code == status
        transport = httpx.ASGITransport(app, client=("2001:db8:0:1::1", 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver.local") as client:
            assert (await client.post("/sign-in")).status_code == 201
