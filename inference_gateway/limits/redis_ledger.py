"""Buckets in Redis, shared by all gateways: one script takes from all levels or from none.

A bucket is a hash: `used` at the time `at`, and of each process what it holds (`h:<process>`) and when it said so last
(`t:<process>`). What a process that died held is let go after three minutes.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from inference_gateway.limits.buckets import Bucket, Taken
from ops.runtime.ids import new_id
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError, ServerScript

log = get_logger(__name__)

HOLD_MS = 180_000
SETTLE_SECONDS = 0.005

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
      if now - tonumber(hash['t:' .. who] or 0) > hold_ms then
        redis.call('HDEL', key, name, 't:' .. who)
      else
        held = held + tonumber(value)
      end
    end
  end
  local used = math.max(0, tonumber(hash['used']) - (now - tonumber(hash['at'])) * leak)
  return used, held, tonumber(hash['h:' .. process] or 0)
end
local function write(key, used, size, leak)
  redis.call('HSET', key, 'used', number(used), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, math.ceil(2 * size / leak) + hold_ms)
end
local function hold(key, tokens)
  redis.call('HSET', key, 'h:' .. process, string.format('%.0f', tokens), 't:' .. process, string.format('%.0f', now))
end
"""

# ARGV[3] wanted, ARGV[4] least. Returns {-1, unknown buckets…}, or {allowed, tokens, tokens left, requests left (-1: no limit),
# ms until enough has leaked, ms until all has}.
TAKE_SCRIPT: Final = (
    _READ
    + """
local wanted, least = tonumber(ARGV[3]), tonumber(ARGV[4])
local state, unknown = {}, {-1}
for i, key in ipairs(KEYS) do
  local size, leak, unit = of(i, 5)
  local used, held, own = read(key, leak)
  if used then state[i] = {used, held, own} else unknown[#unknown + 1] = i end
end
if #unknown > 1 then return unknown end
local tokens, wait, reset, left = wanted, 0, 0, {t = -1, r = -1}
for i, _ in ipairs(KEYS) do
  local size, leak, unit = of(i, 5)
  local free = math.floor(size - state[i][1] - state[i][2])
  local needed = unit == 't' and least or 1
  if unit == 't' then tokens = math.min(tokens, free) end
  if free < needed then wait = math.max(wait, (needed - free) / leak) end
end
local allowed = wait == 0
for i, key in ipairs(KEYS) do
  local size, leak, unit = of(i, 5)
  local used, held, own = state[i][1], state[i][2], state[i][3]
  if allowed and unit == 't' then
    hold(key, own + tokens)
    held = held + tokens
  elseif allowed then
    used = used + 1
  end
  write(key, used, size, leak)
  local free = math.max(0, math.floor(size - used - held))
  left[unit] = left[unit] < 0 and free or math.min(left[unit], free)
  reset = math.max(reset, (used + held) / leak)
end
return {allowed and 1 or 0, allowed and tokens or 0, left.t, left.r, math.ceil(wait), math.ceil(reset)}
"""
)

# ARGV from 3 on: size, leak per ms, unit, reserved, used, requests given back of each bucket. A bucket that Redis has lost is left
# to be rebuilt.
SETTLE_SCRIPT: Final = (
    _READ
    + """
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 6
  local size, leak, unit = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  local used, held, own = read(key, leak)
  if used and unit == 't' then
    hold(key, math.max(0, own - tonumber(ARGV[at + 3])))
    write(key, used + tonumber(ARGV[at + 4]), size, leak)
  elseif used then
    write(key, math.max(0, used - tonumber(ARGV[at + 5])), size, leak)
  end
end
"""
)

# ARGV[3] what is used at least, ARGV[4] what this process holds, should the bucket know nothing of it.
FILL_SCRIPT: Final = (
    _READ
    + """
local size, leak, unit = of(1, 5)
local used, held, own = read(KEYS[1], leak)
write(KEYS[1], math.max(used or 0, tonumber(ARGV[3])), size, leak)
if redis.call('HEXISTS', KEYS[1], 'h:' .. process) == 0 then
  own = tonumber(ARGV[4])
end
if own > 0 then hold(KEYS[1], own) end
"""
)


class _Owed(msgspec.Struct):
    """What Redis is yet to be told of one bucket."""

    bucket: Bucket
    reserved: int = 0
    used: int = 0
    requests_back: int = 0


class RedisLedger:
    """`take` and `fill` raise `RedisError`. Settlements of a few milliseconds are told together: nobody waits for them."""

    def __init__(self, redis: Redis) -> None:
        self._take = ServerScript(redis, TAKE_SCRIPT)
        self._settle = ServerScript(redis, SETTLE_SCRIPT)
        self._fill = ServerScript(redis, FILL_SCRIPT)
        self._process = new_id().hex
        self._held: Counter[str] = Counter()
        self._owed: dict[str, _Owed] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def take(self, buckets: Sequence[Bucket], wanted: int, least: int) -> Taken:
        """As `Ledger.take`; nobody is refused for what was given back but not told yet."""
        taken = await self._take_once(buckets, wanted, least)
        if taken.allowed or taken.unknown or not any(bucket.key in self._owed for bucket in buckets):
            return taken
        await self.settled()
        return await self._take_once(buckets, wanted, least)

    async def _take_once(self, buckets: Sequence[Bucket], wanted: int, least: int) -> Taken:
        answer = await self._take(_keys(buckets), [self._process, HOLD_MS, wanted, least, *_shapes(buckets)])
        if answer[0] < 0:
            return Taken(allowed=False, unknown=tuple(buckets[place - 1] for place in answer[1:]))
        allowed, tokens, tokens_left, requests_left, wait_ms, reset_ms = answer
        for bucket in buckets:
            if bucket.unit == "tokens":
                self._held[bucket.key] += tokens
        return Taken(
            allowed=bool(allowed),
            tokens=tokens,
            tokens_left=tokens_left if tokens_left >= 0 else None,
            requests_left=requests_left if requests_left >= 0 else None,
            wait_ms=wait_ms,
            reset_ms=reset_ms,
        )

    def settle(self, buckets: Sequence[Bucket], reserved: int, used: int, requests_back: int) -> None:
        """As `Ledger.settle`; until Redis is told, the reservation is held."""
        if not self._owed:
            task = asyncio.get_running_loop().create_task(self._tell(), context=contextvars.Context())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        for bucket in buckets:
            if (owed := self._owed.get(bucket.key)) is None:
                owed = self._owed[bucket.key] = _Owed(bucket)
            owed.reserved += reserved
            owed.used += used
            owed.requests_back += requests_back

    async def settled(self) -> None:
        """As `Ledger.settled`."""
        while self._telling:
            await asyncio.wait(self._telling)

    async def fill(self, bucket: Bucket, used: float) -> None:
        """As `Ledger.fill`; what this process holds is said again where Redis has forgotten it."""
        held = self._held[bucket.key]
        await self._fill([bucket.key], [self._process, HOLD_MS, used, held, *_shapes([bucket])])

    async def _tell(self) -> None:
        """Tell what is owed, of one tenant at a time, as a tenant's buckets are on one node of a cluster."""
        await asyncio.sleep(SETTLE_SECONDS)
        owed, self._owed = self._owed, {}
        by_tenant: dict[UUID, list[_Owed]] = {}
        for one in owed.values():
            by_tenant.setdefault(one.bucket.tenant_id, []).append(one)
            if one.bucket.unit == "tokens":
                self._let_go(one)
        for group in by_tenant.values():
            arguments = [
                part for one in group for part in (*_shape(one.bucket), one.reserved, one.used, one.requests_back)
            ]
            try:
                await self._settle([one.bucket.key for one in group], [self._process, HOLD_MS, *arguments])
            except RedisError as error:
                log.warning("quotas_not_settled", buckets=len(group), error=type(error).__name__)

    def _let_go(self, owed: _Owed) -> None:
        self._held[owed.bucket.key] -= owed.reserved
        if self._held[owed.bucket.key] <= 0:
            del self._held[owed.bucket.key]


def _keys(buckets: Sequence[Bucket]) -> list[str]:
    return [bucket.key for bucket in buckets]


def _shape(bucket: Bucket) -> tuple[int, str, str]:
    return bucket.size, repr(bucket.leak_per_ms), bucket.unit[0]


def _shapes(buckets: Sequence[Bucket]) -> list[str | float]:
    return [part for bucket in buckets for part in _shape(bucket)]
