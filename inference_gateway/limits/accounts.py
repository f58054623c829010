"""Quotas kept in Redis, filled in from the records, and kept in this process at half their size while Redis is away."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from prometheus_client import Counter

from db.errors import DatabaseError
from db.repositories import quotas
from inference_gateway.caller import Caller
from inference_gateway.limits.buckets import Bucket, Ledger, LocalLedger, Taken
from inference_gateway.limits.known import KnownQuotas
from inference_gateway.limits.redis_ledger import RedisLedger
from inference_gateway.limits.shared import Shared
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError
from ops.runtime.telemetry import REGISTRY

log = get_logger(__name__)

RECENT_SECONDS = 600.0
UNREADABLE_SHARE = 0.5
FILLS = 3
LOCAL_TAKES = Counter(
    "lyceum_gateway_local_quotas_total", "reservations made without Redis, in half the quota", registry=REGISTRY
)


class Reservation(msgspec.Struct, frozen=True):
    """Tokens that one request holds, and where."""

    buckets: tuple[Bucket, ...]
    ledger: Ledger
    taken: Taken


class Accounts:
    """Reserves and settles. `before_reading` brings the records of this process to the table before they are summed."""

    def __init__(self, redis: Redis | None, before_reading: Callable[[], Awaitable[None]]) -> None:
        self._redis = RedisLedger(redis) if redis is not None else None
        self._local = LocalLedger()
        self._before_reading = before_reading
        self._quotas = KnownQuotas()
        self._filling: Shared[tuple[bool, str], None] = Shared()
        self._recent: dict[str, tuple[float, Bucket]] = {}

    async def reserve(self, caller: Caller, wanted: int, least: int) -> Reservation:
        """Reserve up to `wanted` tokens; the answer tells whether even `least` could not be had."""
        buckets = await self._quotas.buckets(caller)
        if not buckets:
            return Reservation((), self._local, Taken(allowed=True, tokens=wanted))
        for bucket in buckets:
            self._recent[bucket.key] = (time.monotonic(), bucket)
        if self._redis is not None:
            try:
                return Reservation(buckets, self._redis, await self._take(self._redis, buckets, wanted, least))
            except RedisError as error:
                log.warning("quotas_without_redis", error=type(error).__name__)
        LOCAL_TAKES.inc()
        return Reservation(buckets, self._local, await self._take(self._local, buckets, wanted, least))

    async def more(self, held: Reservation, wanted: int) -> int:
        """Reserve up to `wanted` tokens more for a request that runs; return how many there were."""
        buckets = tuple(bucket for bucket in held.buckets if bucket.unit == "tokens")
        try:
            return (await self._take(held.ledger, buckets, wanted, 1)).tokens
        except RedisError:
            return 0

    def settle(self, held: Reservation, reserved: int, used: int, requests_back: int = 0) -> None:
        """End a reservation; what Redis does not hear of, the reconciliation with the records brings to it."""
        if held.buckets:
            held.ledger.settle(held.buckets, reserved, used, requests_back)

    async def settled(self) -> None:
        """Return when all that was settled until now has taken effect."""
        if self._redis is not None:
            await self._redis.settled()

    async def reconcile(self) -> int:
        """Raise the buckets that were used lately to what the records say; return how many were looked at.

        Raises:
            DatabaseError, RedisError
        """
        oldest = time.monotonic() - RECENT_SECONDS
        self._recent = {key: entry for key, entry in self._recent.items() if entry[0] > oldest}
        self._local.keep_only(self._recent)
        if self._redis is None:
            return 0
        for _, bucket in list(self._recent.values()):
            row = await quotas.backlog(bucket.tenant_id, bucket.quota, unknown_is_full=False)
            await self._redis.fill(bucket, row.tokens if bucket.unit == "tokens" else row.requests)
        return len(self._recent)

    async def _take(self, ledger: Ledger, buckets: tuple[Bucket, ...], wanted: int, least: int) -> Taken:
        for _ in range(FILLS):
            taken = await ledger.take(buckets, wanted, least)
            if not taken.unknown:
                return taken
            for bucket in taken.unknown:
                await self._filling.do((ledger is self._local, bucket.key), partial(self._fill, ledger, bucket))
        raise RedisError("buckets do not stay")

    async def _fill(self, ledger: Ledger, bucket: Bucket) -> None:
        await ledger.fill(bucket, await self._used(bucket))

    async def _used(self, bucket: Bucket) -> float:
        """Return what the records say; half of a bucket counts as used while they cannot be read."""
        try:
            await self._before_reading()
            row = await quotas.backlog(bucket.tenant_id, bucket.quota, unknown_is_full=True)
        except DatabaseError as error:
            log.warning("quota_without_records", error=type(error).__name__)
            return bucket.size * UNREADABLE_SHARE
        return row.tokens if bucket.unit == "tokens" else row.requests
