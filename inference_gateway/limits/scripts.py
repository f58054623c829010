"""What Redis does with buckets, each script at once: nobody sees half of it.

Both are told everything in one argument, a `Told` or a `Filled` in MessagePack: a client in Python takes time for each argument.
A bucket is a hash: `used` at the time `at`, and of each process what it holds (`h:<process>`) and when it said so last
(`t:<process>`). What a process that died held is let go after `hold_ms`.
"""

from typing import Final

import msgspec

from inference_gateway.limits.buckets import Unit

# `read` takes off what has leaked, and returns what is used, what all hold, and what the process that asks holds.
_BEGIN: Final = """
local told = cmsgpack.unpack(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local own_hold, own_time, at = 'h:' .. told.process, 't:' .. told.process, string.format('%.0f', now)
local function read(key, leak)
  local flat, hash, held = redis.call('HGETALL', key), {}, 0
  if #flat == 0 then return nil end
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  for name, value in pairs(hash) do
    if string.sub(name, 1, 2) == 'h:' then
      local time = 't:' .. string.sub(name, 3)
      if name ~= own_hold and now - tonumber(hash[time] or 0) > told.hold_ms then
        redis.call('HDEL', key, name, time)
      else
        held = held + tonumber(value)
      end
    end
  end
  local used = math.max(0, tonumber(hash.used) - (now - tonumber(hash.at)) * leak)
  return used, held, tonumber(hash[own_hold] or 0)
end
local function write(key, used, size, leak, own)
  used = string.format('%.6f', used)
  if own then
    redis.call('HSET', key, 'used', used, 'at', at, own_hold, string.format('%.0f', own), own_time, at)
  else
    redis.call('HSET', key, 'used', used, 'at', at)
  end
  redis.call('PEXPIRE', key, math.ceil(2 * size / leak) + told.hold_ms)
end
"""

# A settled bucket that Redis has lost is left to be rebuilt. Returns of each request {-1, unknown buckets…}, or {allowed, tokens,
# tokens left, requests left (-1: no limit), ms until enough has leaked, ms until all has}.
EXCHANGE_SCRIPT: Final = (
    _BEGIN
    + """
local buckets = {}
for i, key in ipairs(KEYS) do
  local size, leak, unit = unpack(told.buckets[i])
  local used, held, own = read(key, leak)
  buckets[i] = used and {size = size, leak = leak, unit = unit, used = used, held = held, own = own, holds = false}
end
local function settle(one, reserved, used, back)
  if one and one.unit == 'tokens' then
    local own = math.max(0, one.own - reserved)
    one.held, one.own, one.holds = one.held - one.own + own, own, true
    one.used = one.used + used
  elseif one then
    one.used = math.max(0, one.used - back)
  end
end
local function take(wanted, least, places)
  local mine, unknown = {}, {-1}
  for _, i in ipairs(places) do
    if buckets[i] then mine[#mine + 1] = buckets[i] else unknown[#unknown + 1] = i end
  end
  if #unknown > 1 then return unknown end
  local tokens, wait, reset, left = wanted, 0, 0, {tokens = -1, requests = -1}
  for _, one in ipairs(mine) do
    local free = math.floor(one.size - one.used - one.held)
    local needed = one.unit == 'tokens' and least or 1
    if one.unit == 'tokens' then tokens = math.min(tokens, free) end
    if free < needed then wait = math.max(wait, (needed - free) / one.leak) end
  end
  local allowed = wait == 0
  for _, one in ipairs(mine) do
    if allowed and one.unit == 'tokens' then
      one.held, one.own, one.holds = one.held + tokens, one.own + tokens, true
    elseif allowed then
      one.used = one.used + 1
    end
    local free = math.max(0, math.floor(one.size - one.used - one.held))
    left[one.unit] = left[one.unit] < 0 and free or math.min(left[one.unit], free)
    reset = math.max(reset, (one.used + one.held) / one.leak)
  end
  return {allowed and 1 or 0, allowed and tokens or 0, left.tokens, left.requests, math.ceil(wait), math.ceil(reset)}
end
for _, one in ipairs(told.settled) do
  settle(buckets[one[1]], one[2], one[3], one[4])
end
local answers = {}
for i, ask in ipairs(told.asked) do
  answers[i] = take(ask[1], ask[2], ask[3])
end
for i, key in ipairs(KEYS) do
  local one = buckets[i]
  if one then write(key, one.used, one.size, one.leak, one.holds and one.own) end
end
return answers
"""
)

FILL_SCRIPT: Final = (
    _BEGIN
    + """
local size, leak = unpack(told.bucket)
local used, held, own = read(KEYS[1], leak)
if redis.call('HEXISTS', KEYS[1], own_hold) == 0 then
  own = told.held
end
write(KEYS[1], math.max(used or 0, told.used), size, leak, own > 0 and own)
"""
)

Shape = tuple[int, float, Unit]
"""A bucket's size, what leaks of it in a ms, and what it counts."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Of each settled bucket its place (from 1), what was reserved and used of it, how many requests come back; of each request
    what it wants, its least, and the places of the buckets it counts for.
    """

    process: str
    hold_ms: int
    buckets: list[Shape]
    settled: list[tuple[int, int, int, int]]
    asked: list[tuple[int, int, list[int]]]


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """`used` is what is used at least; `held` what the process holds, should the bucket know nothing of it."""

    process: str
    hold_ms: int
    bucket: Shape
    used: float
    held: int
