"""A quota is a bucket that leaks its size in a period. What runs holds its reservation; what has ended is used, and leaks."""

import math
import time
from collections.abc import Collection, Sequence
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from db.repositories.quotas import QuotaRow

Unit = Literal["tokens", "requests"]


class Bucket(msgspec.Struct, frozen=True):
    """One limit of a tenant, a course or a person: its name in Redis, how much fits in, how much is used no more each ms."""

    tenant_id: UUID
    quota: QuotaRow
    unit: Unit
    key: str
    size: int
    leak_per_ms: float

    @classmethod
    def of(cls, tenant_id: UUID, quota: QuotaRow, unit: Unit) -> "Bucket":
        """Return the bucket; the braces in its name keep a tenant's buckets on one node of a Redis cluster."""
        key = f"quota:{{{tenant_id}}}:{quota.level}:{quota.subject_id or tenant_id}:{unit}"
        size = (quota.tokens if unit == "tokens" else quota.requests) or 0
        return cls(tenant_id, quota, unit, key, size, size / (quota.period_seconds * 1000))


def buckets_of(tenant_id: UUID, quotas: Sequence[QuotaRow]) -> tuple[Bucket, ...]:
    """Return the limits that the quotas name."""
    units: tuple[Unit, Unit] = ("tokens", "requests")
    return tuple(
        Bucket.of(tenant_id, quota, unit) for quota in quotas for unit in units if getattr(quota, unit) is not None
    )


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger said. `tokens` were reserved, maybe fewer than wanted; `unknown` buckets must be filled in first."""

    allowed: bool
    tokens: int = 0
    tokens_left: int | None = None
    requests_left: int | None = None
    wait_ms: float = 0.0
    reset_ms: float = 0.0
    unknown: tuple[Bucket, ...] = ()


class Ledger(Protocol):
    """Where buckets are kept; all of a request's are taken from at once, or none is."""

    async def take(self, buckets: Sequence[Bucket], wanted: int, least: int) -> Taken:
        """Reserve up to `wanted` tokens, not fewer than `least`, and use a request."""

    def settle(self, buckets: Sequence[Bucket], reserved: int, used: int, requests_back: int) -> None:
        """End a reservation: `used` tokens stay used. Takes effect within milliseconds; `settled` waits for that."""

    async def settled(self) -> None:
        """Return when what was settled until now has taken effect."""

    async def fill(self, bucket: Bucket, used: float) -> None:
        """Let at least `used` be used in a bucket."""


class _Level(msgspec.Struct):
    used: float
    held: int
    at_ms: float


class LocalLedger:
    """Buckets of half the size in this process, for the time without Redis."""

    SHARE = 0.5

    def __init__(self) -> None:
        self._levels: dict[str, _Level] = {}

    async def take(self, buckets: Sequence[Bucket], wanted: int, least: int) -> Taken:
        """As `Ledger.take`, in half of each bucket."""
        if unknown := tuple(bucket for bucket in buckets if bucket.key not in self._levels):
            return Taken(allowed=False, unknown=unknown)
        tokens, wait_ms = wanted, 0.0
        for bucket in buckets:
            needed = least if bucket.unit == "tokens" else 1
            left = self._left(bucket)
            if bucket.unit == "tokens":
                tokens = min(tokens, math.floor(left))
            if left < needed:
                wait_ms = max(wait_ms, (needed - left) / (bucket.leak_per_ms * self.SHARE))
        allowed = wait_ms == 0
        for bucket in buckets if allowed else ():
            level = self._levels[bucket.key]
            if bucket.unit == "tokens":
                level.held += tokens
            else:
                level.used += 1
        return Taken(
            allowed=allowed,
            tokens=tokens if allowed else 0,
            tokens_left=self._least_left(buckets, "tokens"),
            requests_left=self._least_left(buckets, "requests"),
            wait_ms=wait_ms,
            reset_ms=max((self._reset_ms(bucket) for bucket in buckets), default=0.0),
        )

    def settle(self, buckets: Sequence[Bucket], reserved: int, used: int, requests_back: int) -> None:
        """As `Ledger.settle`, at once."""
        for bucket in buckets:
            if (level := self._levels.get(bucket.key)) is None:
                continue
            self._left(bucket)
            if bucket.unit == "tokens":
                level.held = max(0, level.held - reserved)
                level.used += used
            else:
                level.used = max(0.0, level.used - requests_back)

    async def settled(self) -> None:
        """Nothing waits."""

    async def fill(self, bucket: Bucket, used: float) -> None:
        """As `Ledger.fill`, with the share that this process stands for."""
        level = self._levels.setdefault(bucket.key, _Level(0.0, 0, _now_ms()))
        level.used = max(level.used, used * self.SHARE)

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget the other buckets, unless something that runs holds a part of them."""
        self._levels = {key: level for key, level in self._levels.items() if key in keys or level.held}

    def _left(self, bucket: Bucket) -> float:
        level, now = self._levels[bucket.key], _now_ms()
        level.used = max(0.0, level.used - (now - level.at_ms) * bucket.leak_per_ms * self.SHARE)
        level.at_ms = now
        return max(1.0, bucket.size * self.SHARE) - level.used - level.held

    def _least_left(self, buckets: Sequence[Bucket], unit: Unit) -> int | None:
        left = [max(0, math.floor(self._left(bucket))) for bucket in buckets if bucket.unit == unit]
        return min(left, default=None)

    def _reset_ms(self, bucket: Bucket) -> float:
        level = self._levels[bucket.key]
        return (level.used + level.held) / (bucket.leak_per_ms * self.SHARE)


def _now_ms() -> float:
    return time.monotonic() * 1000
