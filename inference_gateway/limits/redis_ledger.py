"""Buckets in Redis, shared by all gateways: one script takes from all levels of a request or from none."""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec

from inference_gateway.limits.buckets import Bucket, Taken
from inference_gateway.limits.scripts import EXCHANGE_SCRIPT, FILL_SCRIPT, Filled, Shape, Told
from ops.runtime.ids import new_id
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError, ServerScript

log = get_logger(__name__)

HOLD_MS = 180_000
SETTLE_SECONDS = 0.005
MAX_TOGETHER = 64


class _Ask(msgspec.Struct, frozen=True):
    """A request that waits to be told what it gets."""

    buckets: Sequence[Bucket]
    wanted: int
    least: int
    answer: "asyncio.Future[Taken]"


class _Owed(msgspec.Struct):
    """What Redis is yet to be told of one bucket."""

    bucket: Bucket
    reserved: int = 0
    used: int = 0
    requests_back: int = 0


class RedisLedger:
    """`take` and `fill` raise `RedisError`.

    A tenant's requests that come while Redis is asked for others of it are asked for together, and what has been settled is told
    with them, or alone after a few milliseconds: nobody waits for that, and nobody is refused for it.
    """

    def __init__(self, redis: Redis) -> None:
        self._exchange = ServerScript(redis, EXCHANGE_SCRIPT)
        self._fill = ServerScript(redis, FILL_SCRIPT)
        self._process = new_id().hex
        self._held: Counter[str] = Counter()
        self._asked: dict[UUID, list[_Ask]] = {}
        self._owed: dict[UUID, dict[str, _Owed]] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    async def take(self, buckets: Sequence[Bucket], wanted: int, least: int) -> Taken:
        """As `Ledger.take`."""
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        ask = _Ask(buckets, wanted, least, answer)
        tenant_id = buckets[0].tenant_id
        if tenant_id in self._asked:
            self._asked[tenant_id].append(ask)
        else:
            self._asked[tenant_id] = [ask]
            _spawn(self._ask_all(tenant_id), self._asking)
        return await answer

    def settle(self, buckets: Sequence[Bucket], reserved: int, used: int, requests_back: int) -> None:
        """As `Ledger.settle`; until Redis is told, the reservation is held."""
        tenant_id = buckets[0].tenant_id
        if (of_tenant := self._owed.get(tenant_id)) is None:
            of_tenant = self._owed[tenant_id] = {}
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._tell_if_owed, tenant_id, of_tenant)
        for bucket in buckets:
            if (owed := of_tenant.get(bucket.key)) is None:
                owed = of_tenant[bucket.key] = _Owed(bucket)
            owed.reserved += reserved
            owed.used += used
            owed.requests_back += requests_back

    async def settled(self) -> None:
        """As `Ledger.settled`; who was told nothing because they had gone gives back first."""
        await _all_of(self._asking)
        for tenant_id in self._owed:
            _spawn(self._tell(tenant_id), self._telling)
        await _all_of(self._telling)

    async def fill(self, bucket: Bucket, used: float) -> None:
        """As `Ledger.fill`; what this process holds is said again where Redis has forgotten it."""
        filled = Filled(
            process=self._process, hold_ms=HOLD_MS, bucket=_shape(bucket), used=used, held=self._held[bucket.key]
        )
        await self._fill([bucket.key], [msgspec.msgpack.encode(filled)])

    async def _ask_all(self, tenant_id: UUID) -> None:
        """Ask for a tenant's requests until none waits."""
        while asked := self._asked[tenant_id][:MAX_TOGETHER]:
            del self._asked[tenant_id][: len(asked)]
            try:
                answers = await self._tell_and_ask(tenant_id, asked)
            except Exception as error:  # noqa: BLE001 - each of them has to hear of it
                for ask in asked:
                    if not ask.answer.done():
                        ask.answer.set_exception(error)
                continue
            for ask, taken in zip(asked, answers, strict=True):
                self._deliver(ask, taken)
        del self._asked[tenant_id]

    def _tell_if_owed(self, tenant_id: UUID, owed: "dict[str, _Owed]") -> None:
        """Tell what no request has taken along meanwhile."""
        if self._owed.get(tenant_id) is owed:
            _spawn(self._tell(tenant_id), self._telling)

    async def _tell(self, tenant_id: UUID) -> None:
        if tenant_id in self._owed:
            with suppress(RedisError):
                await self._tell_and_ask(tenant_id, ())

    async def _tell_and_ask(self, tenant_id: UUID, asked: Sequence[_Ask]) -> list[Taken]:
        """Tell all that is owed and take for those who ask, of one tenant: its buckets are on one node of a cluster."""
        owed = self._owed.pop(tenant_id, {})
        for one in owed.values():
            self._let_go(one)
        buckets = {bucket.key: bucket for ask in asked for bucket in ask.buckets}
        buckets |= {key: one.bucket for key, one in owed.items()}
        places = {key: place for place, key in enumerate(buckets, 1)}
        told = Told(
            process=self._process,
            hold_ms=HOLD_MS,
            buckets=[_shape(bucket) for bucket in buckets.values()],
            settled=[(places[key], one.reserved, one.used, one.requests_back) for key, one in owed.items()],
            asked=[(ask.wanted, ask.least, [places[bucket.key] for bucket in ask.buckets]) for ask in asked],
        )
        try:
            answers = await self._exchange(list(buckets), [msgspec.msgpack.encode(told)])
        except RedisError as error:
            if owed:
                log.warning("quotas_not_settled", buckets=len(owed), error=type(error).__name__)
            raise
        known = list(buckets.values())
        return [_taken(answer, known) for answer in answers]

    def _deliver(self, ask: _Ask, taken: Taken) -> None:
        for bucket in ask.buckets:
            if bucket.unit == "tokens" and taken.tokens:
                self._held[bucket.key] += taken.tokens
        if not ask.answer.done():
            ask.answer.set_result(taken)
        elif taken.allowed:  # who asked has gone meanwhile
            self.settle(ask.buckets, taken.tokens, 0, requests_back=1)

    def _let_go(self, owed: _Owed) -> None:
        if owed.bucket.unit != "tokens":
            return
        self._held[owed.bucket.key] -= owed.reserved
        if self._held[owed.bucket.key] <= 0:
            del self._held[owed.bucket.key]


def _spawn(work: Coroutine[Any, Any, None], beside: "set[asyncio.Task[None]]") -> None:
    task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    beside.add(task)
    task.add_done_callback(beside.discard)


async def _all_of(tasks: "set[asyncio.Task[None]]") -> None:
    """Wait for those that are under way now: under load there are always others."""
    if tasks:
        await asyncio.wait(set(tasks))


def _taken(answer: Sequence[int], buckets: Sequence[Bucket]) -> Taken:
    if answer[0] < 0:
        return Taken(allowed=False, unknown=tuple(buckets[place - 1] for place in answer[1:]))
    allowed, tokens, tokens_left, requests_left, wait_ms, reset_ms = answer
    return Taken(
        allowed=bool(allowed),
        tokens=tokens,
        tokens_left=tokens_left if tokens_left >= 0 else None,
        requests_left=requests_left if requests_left >= 0 else None,
        wait_ms=wait_ms,
        reset_ms=reset_ms,
    )


def _shape(bucket: Bucket) -> Shape:
    return bucket.size, bucket.leak_per_ms, bucket.unit
