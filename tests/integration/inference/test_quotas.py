"""Quotas in Valkey and Postgres: never overspent, taken at all levels or none, rebuilt from the records, halved without Redis."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from db.engine import drop_pool
from db.repositories import quotas
from db.repositories.quotas import Level, QuotaRow
from db.unit_of_work import unit_of_work
from inference_gateway.caller import Caller
from inference_gateway.contract import Usage
from inference_gateway.errors import QuotaExhausted
from inference_gateway.limits import redis_ledger
from inference_gateway.limits.accounts import Accounts
from inference_gateway.limits.admission import FairAdmission, QuotaGrant
from inference_gateway.limits.permits import PermitLimits, Permits
from ops.runtime.ids import new_id
from ops.runtime.redis import Redis, ServerScript, open_redis, open_redis_blocking
from tests.integration.inference.conftest import Place, add, ago, log_row
from tests.processes import PATIENCE_SECONDS, eventually

DAY = 86_400
TRIES = 10


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(valkey_url)
    yield opened
    await opened.aclose()


async def nothing() -> None:
    """No records wait in this process."""


def admission(redis: Redis | None) -> FairAdmission:
    permits = Permits(PermitLimits(permits=2000, waiting=2000, spare=0))
    return FairAdmission(permits, Accounts(redis, nothing), lambda _: 1.0)


def caller(place: Place, user_id: UUID | None = None) -> Caller:
    return Caller(
        tenant_id=place.tenant_id, user_id=user_id or place.user_id, course_id=place.course_id, purpose="generate"
    )


async def limit(place: Place, level: Level, tokens: int | None, requests: int | None = None) -> None:
    async with unit_of_work() as uow:
        row = QuotaRow(level=level, subject_id=None, tokens=tokens, requests=requests, period_seconds=DAY)
        await quotas.put_quota(uow, place.tenant_id, row, None)


def tokens(prompt: int, completion: int) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion)


async def test_a_thousand_at_once_never_overspend(place: Place, valkey_url: str) -> None:
    await limit(place, "tenant", 100_000)
    await limit(place, "course", 80_000)
    await limit(place, "person", 1_500)
    # A loop that is busy for a second must not look like a silent Redis, without which half the quota counts per process.
    patient = [open_redis_blocking(valkey_url) for _ in range(2)]
    doors = [admission(one) for one in patient]
    people = [new_id() for _ in range(100)]
    spent: dict[UUID, int] = dict.fromkeys(people, 0)
    refused = 0

    async def one(number: int) -> None:
        nonlocal refused
        person, chance = people[number % len(people)], random.Random(number)
        for _ in range(TRIES):
            try:
                async with doors[number % 2].admit(caller(place, person), 500, 100) as grant:
                    completion = 0
                    try:
                        for _ in range(chance.randrange(400)):
                            grant.spend(1)
                            completion += 1
                        await asyncio.sleep(chance.random() / 20)
                    finally:
                        spent[person] += 100 + completion
                        grant.settle(tokens(100, completion))
                return
            except QuotaExhausted:
                await asyncio.sleep(0.1)
        refused += 1

    await asyncio.gather(*(one(number) for number in range(1000)))
    for door in doors:
        await door.close()
    leaked_meanwhile = 80_000 * 30 / DAY
    assert sum(spent.values()) <= 80_000 + leaked_meanwhile
    assert max(spent.values()) <= 1_500 + 1
    assert sum(spent.values()) > 70_000, "what was not used was given back and used by others"
    assert refused > 300
    for opened in patient:
        await opened.aclose()


async def test_all_levels_or_none(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 10_000, 1_000)
    await limit(place, "person", 600)
    door = admission(redis)
    async with door.admit(caller(place), 600, 100) as grant:
        assert (grant.remaining.tokens, grant.remaining.requests) == (0, 999)
        for _ in range(5):
            with pytest.raises(QuotaExhausted) as raised:
                async with door.admit(caller(place), 600, 100):
                    pytest.fail("the person has nothing left")
        assert raised.value.retry_after_seconds == 3600, "a day's quota does not come back in minutes"
        async with door.admit(caller(place, new_id()), 500, 100) as other:
            assert other.remaining.requests == 998, "the refused have used no request of the tenant"
            other.settle(tokens(0, 0))
        grant.settle(tokens(100, 50))
    await door.close()
    async with door.admit(caller(place), 10, 5) as grant:
        assert grant.remaining.tokens == 600 - 150 - 10
        assert grant.remaining.reset_seconds == pytest.approx(160 / 600 * DAY, rel=0.01)


async def test_those_who_ask_at_once_are_asked_for_together(
    place: Place, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(place, "tenant", 10_000, 150)
    await limit(place, "person", 1_000)
    door, calls, call = admission(redis), 0, ServerScript.__call__

    async def counted(script: ServerScript, keys: Sequence[str], arguments: Sequence[bytes | str | float] = ()) -> Any:
        nonlocal calls
        calls += 1
        return await call(script, keys, arguments)

    async def ask() -> int | None:
        async with door.admit(caller(place, new_id()), 100, 10) as grant:
            await asyncio.sleep(1)
            return grant.remaining.requests

    async with door.admit(caller(place), 1, 1):
        monkeypatch.setattr(ServerScript, "__call__", counted)
        asked = [asyncio.create_task(ask()) for _ in range(120)]
        told = await asyncio.gather(*asked, return_exceptions=True)
    granted = [one for one in told if isinstance(one, int)]
    assert sorted(granted, reverse=True) == [149 - number for number in range(1, 101)], (
        "the last gets the 99 tokens left"
    )
    assert sum(isinstance(one, QuotaExhausted) for one in told) == 20
    assert calls < 120 + 30, "120 people's buckets have to be filled in one by one, and little more is needed"


async def test_who_leaves_while_redis_is_asked_holds_nothing(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 1_000, 10)
    accounts = Accounts(redis, nothing)
    await accounts.reserve(caller(place), 1, 1)
    assert accounts._redis is not None
    asked = accounts._redis._asked
    leaving = [asyncio.create_task(accounts.reserve(caller(place), 300, 300)) for _ in range(5)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(asked.get(place.tenant_id, ())) < len(leaving):
            await asyncio.sleep(0)
        while asked[place.tenant_id]:  # until they are on their way
            await asyncio.sleep(0)
    for one in leaving:
        one.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await accounts.settled()
    taken = (await accounts.reserve(caller(place), 1_000, 1)).taken
    assert (taken.tokens, taken.requests_left) == (999, 8)


async def test_requests_have_quotas_too(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", None, 3)
    door = admission(redis)
    for left in (2, 1, 0):
        async with door.admit(caller(place), 10) as grant:
            assert (grant.remaining.tokens, grant.remaining.requests) == (None, left)
    with pytest.raises(QuotaExhausted):
        async with door.admit(caller(place), 10):
            pytest.fail("three were used")


async def test_what_is_left_is_granted_and_ends_mid_stream(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 150)
    door = admission(redis)
    written = 0
    with pytest.raises(QuotaExhausted):
        async with door.admit(caller(place), 600, 100) as grant:
            try:
                while True:
                    grant.spend(1)
                    written += 1
                    await asyncio.sleep(0.001)
            finally:
                grant.settle(tokens(100, written))
    assert written == 50
    with pytest.raises(QuotaExhausted):
        async with door.admit(caller(place), 600, 100):
            pytest.fail("all is used")


async def test_a_short_reservation_grows_by_what_others_give_back(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 300)
    door = admission(redis)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(door.admit(caller(place), 200, 10))
        second = await stack.enter_async_context(door.admit(caller(place), 200, 10))
        first.settle(tokens(10, 10))
        assert isinstance(second, QuotaGrant)
        for _ in range(190):
            second.spend(1)
            await eventually(lambda: not second._asks)  # Redis may be slower than text without a model
        second.settle(tokens(10, 190))
    await door.close()
    async with door.admit(caller(place), 20, 10) as grant:
        assert grant.remaining.tokens == 300 - (10 + 10) - (10 + 190) - 20


async def test_without_usage_what_flowed_counts(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 1000)
    door = admission(redis)
    async with door.admit(caller(place), 500, 100) as grant:
        grant.spend(7)
    await door.close()
    async with door.admit(caller(place), 500, 100):
        pass  # nothing came: nothing counts
    await door.close()
    async with door.admit(caller(place), 100, 10) as grant:
        assert grant.remaining.tokens == 1000 - 107 - 100


async def test_buckets_that_redis_lost_are_rebuilt_from_the_records(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 1000, 100)
    door = admission(redis)
    async with door.admit(caller(place), 500, 100) as grant:
        grant.settle(tokens(100, 400))
    await door.close()
    await add(log_row(place, prompt_tokens=100, completion_tokens=400, finished_at=ago(seconds=1)))
    async with door.admit(caller(place), 300, 100) as running:
        await redis.flushdb()
        async with door.admit(caller(place), 50, 10) as grant:
            assert grant.remaining.tokens == 1000 - 500 - 300 - 50, "what runs is held again"
            assert grant.remaining.requests == 98
        running.settle(tokens(100, 200))


async def test_the_records_raise_a_bucket_that_knows_too_little(place: Place, redis: Redis) -> None:
    await limit(place, "tenant", 1000)
    accounts = Accounts(redis, nothing)
    reservation = await accounts.reserve(caller(place), 10, 10)
    accounts.settle(reservation, 10, 0)
    await accounts.settled()
    await add(log_row(place, prompt_tokens=0, completion_tokens=800, finished_at=ago(seconds=1)))
    assert await accounts.reconcile() == 1
    again = await accounts.reserve(caller(place), 1000, 1)
    assert again.taken.tokens in (199, 200)


async def test_what_a_dead_process_held_is_let_go(place: Place, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await limit(place, "tenant", 1000)
    await Accounts(redis, nothing).reserve(caller(place), 900, 900)
    survivor = Accounts(redis, nothing)
    assert not (await survivor.reserve(caller(place), 900, 900)).taken.allowed
    monkeypatch.setattr(redis_ledger, "HOLD_MS", 20)
    await asyncio.sleep(0.05)
    assert (await survivor.reserve(caller(place), 900, 900)).taken.allowed


async def test_without_redis_half_the_quota_never_none(place: Place) -> None:
    await limit(place, "tenant", 1000, 10)
    door = admission(open_redis("redis://127.0.0.1:1/0"))
    granted = 0
    for _ in range(20):
        try:
            async with door.admit(caller(place), 60, 10) as grant:
                grant.settle(tokens(10, 40))
                granted += 1
        except QuotaExhausted:
            continue
    assert granted == 5, "half of ten requests"
    await add(log_row(place, prompt_tokens=0, completion_tokens=1000, finished_at=ago(seconds=1)))
    with pytest.raises(QuotaExhausted):
        async with admission(open_redis("redis://127.0.0.1:1/0")).admit(caller(place), 60, 10):
            pytest.fail("the records say that all is used")


async def test_without_redis_only_what_was_used_lately_is_remembered(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(place, "person", 1000)
    stale, running = Accounts(None, nothing), Accounts(None, nothing)
    for accounts in (stale, running):
        held = await accounts.reserve(caller(place), 60, 10)
        monkeypatch.setattr("inference_gateway.limits.accounts.RECENT_SECONDS", -1.0)
        if accounts is stale:
            accounts.settle(held, held.taken.tokens, 60)
        await accounts.reconcile()
    assert not stale._recent
    assert not stale._local._levels
    assert len(running._local._levels) == 1, "what runs is held until it ends"


async def test_without_redis_and_records_there_is_a_limit_as_well(place: Place) -> None:
    await limit(place, "tenant", 1000, 10)
    drop_pool()
    door = admission(open_redis("redis://127.0.0.1:1/0"))
    granted = 0
    for _ in range(100):
        try:
            async with door.admit(caller(place), 60, 10):
                granted += 1
        except QuotaExhausted:
            continue
    assert 1 <= granted <= 30


async def test_nobody_in_particular_has_no_quota(redis: Redis) -> None:
    async with admission(redis).admit(Caller(tenant_id=None, user_id=None, purpose="generate"), 10) as grant:
        assert grant.remaining.tokens is None
