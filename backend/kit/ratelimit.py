"""Rate limits: a token bucket per person (or address) and class of request, kept in Redis, else in this process.

`RequestGate.admit` takes a token and reads cached values in one round trip, so that a request that needs its session,
its person's authority and a token costs Redis once.
"""

import contextlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import msgspec

from ops.runtime.redis import Redis, RedisError, ServerScript
from ops.runtime.settings import Settings

RequestClass = Literal["reads", "writes", "questions", "sign_ins", "links", "refreshes", "messages"]
PERIOD_SECONDS = 60
LOCAL_SHARE = 0.5
LOCAL_BUCKETS = 20_000
IPV6_PREFIX = 64
"""One subscriber's network (RFC 6177): its 2^64 addresses share one bucket."""

# KEYS[1]  bucket: the time in ms at which it will be full again, as a decimal string; absent means full
# KEYS[2…] cached values to read along
# ARGV[1]  ms until one taken token is back   ARGV[2] ms until an empty bucket is full
# Returns {allowed 0/1, ms until full, cached values…}. This is the generic cell rate algorithm (ITU-T I.371), which
# counts like a token bucket and needs one number.
GATE_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local token, full = tonumber(ARGV[1]), tonumber(ARGV[2])
local until_full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
local answer = {0, until_full}
if until_full + token <= full then
  until_full = until_full + token
  redis.call('SET', KEYS[1], string.format('%.0f', now + until_full), 'PX', math.ceil(until_full))
  answer = {1, math.floor(until_full)}
end
for i = 2, #KEYS do
  answer[i + 1] = redis.call('GET', KEYS[i])
end
return answer
"""


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Requests per minute; the first three per person, the others per address.

    A client refreshes once in ten minutes, and a campus may have one address: 3000 serve 30,000 clients there. `messages` are
    webhooks that other systems send.
    """

    reads: int = 600
    writes: int = 120
    questions: int = 60
    sign_ins: int = 60
    links: int = 60
    refreshes: int = 3000
    messages: int = 600

    @classmethod
    def of(cls, settings: Settings) -> "RateLimits":
        """Return what `LYCEUM_RATE_READS` and its like say."""
        return cls(**{name: getattr(settings, f"rate_{name}") for name in cls.__struct_fields__})


class Admission(msgspec.Struct, frozen=True):
    """What the gate said; `cached` holds one value per key asked for, None where there is none."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    retry_after_seconds: int
    cached: tuple[bytes | None, ...] = ()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the `RateLimit-*` headers, and `Retry-After` when refused."""
        pairs = [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_seconds),
        ]
        if not self.allowed:
            pairs.append((b"retry-after", b"%d" % self.retry_after_seconds))
        return pairs


def address_bucket(address: str) -> str:
    """Return what an address is counted as: an IPv4 address itself, also in its IPv6 form, else its /64 network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))


class LocalBuckets:
    """The same buckets in memory, for the time without Redis; the least recently used give way."""

    def __init__(self, size: int = LOCAL_BUCKETS) -> None:
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._size = size

    def take(self, key: str, token_ms: float, full_ms: float) -> tuple[bool, float]:
        """Take one token; return whether there was one and the ms until the bucket is full."""
        now = time.monotonic() * 1000
        until_full = max(self._full_at.get(key, 0.0) - now, 0.0)
        if until_full + token_ms > full_ms:
            return False, until_full
        self._full_at[key] = now + until_full + token_ms
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._size:
            self._full_at.popitem(last=False)
        return True, until_full + token_ms


class RequestGate:
    """One per process. Without Redis it admits half the rate from memory and has no cached value to give."""

    def __init__(
        self,
        redis: Redis | None,
        limits: RateLimits | None = None,
        on_fresh_server: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._limits = limits or RateLimits()
        self._script = ServerScript(redis, GATE_SCRIPT, on_fresh_server) if redis else None
        self._local = LocalBuckets()

    async def admit(self, request_class: RequestClass, who: str, keys: Sequence[str] = ()) -> Admission:
        """Take one token of `who`'s bucket and read `keys` from Redis in the same round trip."""
        limit: int = getattr(self._limits, request_class)
        bucket = f"rate:{request_class}:{who}"
        token_ms, full_ms = PERIOD_SECONDS * 1000 / limit, PERIOD_SECONDS * 1000.0
        if self._script is not None:
            with contextlib.suppress(RedisError):
                answer = await self._script([bucket, *keys], [token_ms, full_ms])
                return _admission(bool(answer[0]), float(answer[1]), limit, token_ms, tuple(answer[2:]))
        share = max(1, math.floor(limit * LOCAL_SHARE))
        token_ms = PERIOD_SECONDS * 1000 / share
        allowed, until_full_ms = self._local.take(bucket, token_ms, full_ms)
        return _admission(allowed, until_full_ms, share, token_ms, (None,) * len(keys))


def _admission(
    allowed: bool, until_full_ms: float, limit: int, token_ms: float, cached: tuple[bytes | None, ...]
) -> Admission:
    full_ms = PERIOD_SECONDS * 1000
    remaining = max(0, math.floor((full_ms - until_full_ms) / token_ms))
    retry_after = 0 if allowed else max(1, math.ceil((until_full_ms + token_ms - full_ms) / 1000))
    return Admission(allowed, limit, remaining, math.ceil(until_full_ms / 1000), retry_after, cached)
