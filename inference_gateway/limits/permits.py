"""So many generations at a time. Who finds none free waits in fair turns, for so long and no longer."""

import asyncio
import math
import time
from collections import Counter
from uuid import UUID

import msgspec
from prometheus_client import Counter as Total
from prometheus_client import Gauge, Histogram

from inference_gateway.errors import GatewayOverloaded
from inference_gateway.limits.fair_queue import FairQueue, Flow
from ops.runtime.telemetry import LATENCY_BUCKETS_SECONDS, REGISTRY

WAITING = Gauge("lyceum_gateway_waiting", "requests that wait for a permit", registry=REGISTRY)
RUNNING = Gauge("lyceum_gateway_running", "permits in use", registry=REGISTRY)
REFUSED = Total("lyceum_gateway_refused_total", "requests refused for overload", ["why"], registry=REGISTRY)
WAITED = Histogram(
    "lyceum_gateway_queue_seconds", "wait for a permit", buckets=LATENCY_BUCKETS_SECONDS, registry=REGISTRY
)
SMOOTHING = 0.1
MAX_RETRY_SECONDS = 60


class PermitLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many run, how many wait and how long.

    The last `spare` permits are only for tenants that run less than their floor: their share of all permits by weight,
    counting one tenant that is not there yet. So a tenant whose load is 50 times its share leaves room for the next.
    """

    permits: int = 64
    waiting: int = 256
    patience_seconds: float = 10.0
    spare: int = 16

    @classmethod
    def of(cls, permits: int) -> "PermitLimits":
        """Return the limits for so many permits: a quarter is spare, four times as many wait."""
        return cls(permits=permits, waiting=4 * permits, spare=permits // 4)


class Permits:
    """The permits of a process."""

    def __init__(self, limits: PermitLimits | None = None) -> None:
        self._limits = limits or PermitLimits()
        self._free = self._limits.permits
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._running: Counter[UUID | None] = Counter()
        self._weights: dict[UUID | None, float] = {}
        self._hold_seconds = 1.0

    async def acquire(self, flow: Flow, weight: float, cost: float) -> None:
        """Return with a permit; `cost` is in tokens.

        Raises:
            GatewayOverloaded: too many wait, of this tenant above all, or none came free in time.
        """
        if self._has_room_for(flow, weight):
            self._queue.pass_by(flow, weight, cost)
            self._take(flow)
            WAITED.observe(0.0)
            return
        if len(self._queue) >= self._limits.waiting:
            self._make_room(flow, weight)
        started_at = time.monotonic()
        await self._wait(flow, weight, cost)
        WAITED.observe(time.monotonic() - started_at)

    def _has_room_for(self, flow: Flow, weight: float) -> bool:
        if len(self._queue) or not self._free:
            return False
        self._weights[flow.tenant_id] = weight
        return self._may_run(flow.tenant_id)

    async def _wait(self, flow: Flow, weight: float, cost: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(flow, weight, cost, turn)
        self._weights[flow.tenant_id] = weight
        self._give()
        try:
            async with asyncio.timeout(self._limits.patience_seconds):
                await turn
        except BaseException as error:
            self._give_up(flow, turn)
            if isinstance(error, TimeoutError):
                raise self._overloaded("waited", "No generation permit came free in time.") from None
            raise
        finally:
            WAITING.set(len(self._queue))

    def release(self, flow: Flow, held_seconds: float) -> None:
        """Give a permit back."""
        self._hold_seconds += SMOOTHING * (held_seconds - self._hold_seconds)
        self._return(flow)

    def _return(self, flow: Flow) -> None:
        self._free += 1
        RUNNING.set(self._limits.permits - self._free)
        self._running[flow.tenant_id] -= 1
        if not self._running[flow.tenant_id]:
            del self._running[flow.tenant_id]
        self._give()
        self._forget_idle(flow.tenant_id)

    def _give(self) -> None:
        while self._free and (turn := self._queue.pop(self._may_run)) is not None:
            flow, waiting = turn
            self._take(flow)
            waiting.set_result(None)

    def _take(self, flow: Flow) -> None:
        self._free -= 1
        self._running[flow.tenant_id] += 1
        RUNNING.set(self._limits.permits - self._free)

    def _may_run(self, tenant_id: UUID | None) -> bool:
        if self._free > self._limits.spare:
            return True
        weight = self._weights[tenant_id]
        floor = self._limits.permits * weight / (sum(self._weights.values()) + 1.0)
        return self._running[tenant_id] < max(1, math.floor(floor))

    def _give_up(self, flow: Flow, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._return(flow)  # the permit came together with the end of the wait
            return
        if self._queue.remove(flow, turn):
            self._give()
        self._forget_idle(flow.tenant_id)

    def _forget_idle(self, tenant_id: UUID | None) -> None:
        if tenant_id not in self._running and not self._queue.has(tenant_id):
            self._weights.pop(tenant_id, None)

    def _make_room(self, flow: Flow, weight: float) -> None:
        shed = self._queue.shed(flow, weight)
        if shed is None:
            raise self._overloaded("full", "Too many requests wait already.")
        _, turn = shed
        turn.set_exception(self._overloaded("shed", "Too many of your requests wait already."))

    def _overloaded(self, why: str, sentence: str) -> GatewayOverloaded:
        REFUSED.labels(why).inc()
        ahead = (len(self._queue) + 1) * self._hold_seconds / self._limits.permits
        return GatewayOverloaded(sentence, retry_after_seconds=min(max(1, math.ceil(ahead)), MAX_RETRY_SECONDS))
