"""Buckets in Redis, shared by all gateways: one script takes from all levels of a request or from none.

A bucket is a hash: `used` at the time `at`, and of each process what it holds (`h:<process>`) and when it said so last
(`t:<process>`). What a process that died held is let go after three minutes.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import msgspec

from inference_gateway.limits.buckets import Bucket, Taken
from ops.runtime.ids import new_id
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError, ServerScript

log = get_logger(__name__)

HOLD_MS = 180_000
SETTLE_SECONDS = 0.005
MAX_TOGETHER = 64

# ARGV from `first` on: size, leak per ms, unit (t or r) of each bucket. Sets what has leaked; returns what is left of a bucket.
_READ: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local process, hold_ms = ARGV[1], tonumber(ARGV[2])
local function of(i, first)
  local at = first + (i - 1) * 3
  return tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
end
local function number(value) return string.format('%.6f', value) end
local function read(key, leak)
  local flat, hash, held = redis.call('HGETALL', key), {}, 0
  if #flat == 0 then return nil end
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  for name, value in pairs(hash) do
    if string.sub(name, 1, 2) == 'h:' then
      local who = string.sub(name, 3)
      if who ~= process and now - tonumber(hash['t:' .. who] or 0) > hold_ms then
        redis.call('HDEL', key, name, 't:' .. who)
      else
        held = held + tonumber(value)
      end
    end
  end
  local used = math.max(0, tonumber(hash['used']) - (now - tonumber(hash['at'])) * leak)
  return used, held, tonumber(hash['h:' .. process] or 0)
end
local function write(key, used, size, leak, own)
  local at = string.format('%.0f', now)
  if own then
    redis.call('HSET', key, 'used', number(used), 'at', at, 'h:' .. process, string.format('%.0f', own), 't:' .. process, at)
  else
    redis.call('HSET', key, 'used', number(used), 'at', at)
  end
  redis.call('PEXPIRE', key, math.ceil(2 * size / leak) + hold_ms)
end
"""

# ARGV from 3 on: size, leak per ms, unit of each bucket; how many are settled, and of each of those its place, what was reserved
# and used of it, how many requests come back; then of each request what it wants, its least, how many buckets it counts for, and
# their places. A settled bucket that Redis has lost is left to be rebuilt. Returns of each request {-1, unknown buckets…}, or
# {allowed, tokens, tokens left, requests left (-1: no limit), ms until enough has leaked, ms until all has}.
EXCHANGE_SCRIPT: Final = (
    _READ
    + """
local buckets = {}
for i, key in ipairs(KEYS) do
  local size, leak, unit = of(i, 3)
  local used, held, own = read(key, leak)
  buckets[i] = used and {size = size, leak = leak, unit = unit, used = used, held = held, own = own, holds = false}
end
local function settle(one, reserved, used, back)
  if one and one.unit == 't' then
    local own = math.max(0, one.own - reserved)
    one.held, one.own, one.holds = one.held - one.own + own, own, true
    one.used = one.used + used
  elseif one then
    one.used = math.max(0, one.used - back)
  end
end
local function take(wanted, least, first, count)
  local mine, unknown = {}, {-1}
  for at = first, first + count - 1 do
    local i = tonumber(ARGV[at])
    if buckets[i] then mine[#mine + 1] = buckets[i] else unknown[#unknown + 1] = i end
  end
  if #unknown > 1 then return unknown end
  local tokens, wait, reset, left = wanted, 0, 0, {t = -1, r = -1}
  for _, one in ipairs(mine) do
    local free = math.floor(one.size - one.used - one.held)
    local needed = one.unit == 't' and least or 1
    if one.unit == 't' then tokens = math.min(tokens, free) end
    if free < needed then wait = math.max(wait, (needed - free) / one.leak) end
  end
  local allowed = wait == 0
  for _, one in ipairs(mine) do
    if allowed and one.unit == 't' then
      one.held, one.own, one.holds = one.held + tokens, one.own + tokens, true
    elseif allowed then
      one.used = one.used + 1
    end
    local free = math.max(0, math.floor(one.size - one.used - one.held))
    left[one.unit] = left[one.unit] < 0 and free or math.min(left[one.unit], free)
    reset = math.max(reset, (one.used + one.held) / one.leak)
  end
  return {allowed and 1 or 0, allowed and tokens or 0, left.t, left.r, math.ceil(wait), math.ceil(reset)}
end
local at = 3 + 3 * #KEYS
local settled = tonumber(ARGV[at])
at = at + 1
for _ = 1, settled do
  settle(buckets[tonumber(ARGV[at])], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
  at = at + 4
end
local answers = {}
while at <= #ARGV do
  local count = tonumber(ARGV[at + 2])
  answers[#answers + 1] = take(tonumber(ARGV[at]), tonumber(ARGV[at + 1]), at + 3, count)
  at = at + 3 + count
end
for i, key in ipairs(KEYS) do
  local one = buckets[i]
  if one then write(key, one.used, one.size, one.leak, one.holds and one.own) end
end
return answers
"""
)

# ARGV[3] what is used at least, ARGV[4] what this process holds, should the bucket know nothing of it.
FILL_SCRIPT: Final = (
    _READ
    + """
local size, leak, unit = of(1, 5)
local used, held, own = read(KEYS[1], leak)
if redis.call('HEXISTS', KEYS[1], 'h:' .. process) == 0 then
  own = tonumber(ARGV[4])
end
write(KEYS[1], math.max(used or 0, tonumber(ARGV[3])), size, leak, own > 0 and own)
"""
)


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
        held = self._held[bucket.key]
        await self._fill([bucket.key], [self._process, HOLD_MS, used, held, *_shapes([bucket])])

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
        arguments: list[str | float] = [self._process, HOLD_MS, *_shapes(buckets.values()), len(owed)]
        for key, one in owed.items():
            arguments += (places[key], one.reserved, one.used, one.requests_back)
        for ask in asked:
            arguments += (ask.wanted, ask.least, len(ask.buckets), *(places[bucket.key] for bucket in ask.buckets))
        try:
            answers = await self._exchange(list(buckets), arguments)
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


def _shape(bucket: Bucket) -> tuple[int, str, str]:
    return bucket.size, repr(bucket.leak_per_ms), bucket.unit[0]


def _shapes(buckets: Iterable[Bucket]) -> list[str | float]:
    return [part for bucket in buckets for part in _shape(bucket)]
