"""The first stage: a reservation in the quotas, then a permit in fair turns."""

import asyncio
import contextvars
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from inference_gateway.caller import Caller
from inference_gateway.contract import Usage
from inference_gateway.errors import QuotaExhausted
from inference_gateway.limits.accounts import Accounts, Reservation
from inference_gateway.limits.buckets import Taken
from inference_gateway.limits.fair_queue import Flow
from inference_gateway.limits.permits import Permits
from inference_gateway.ports import Grant, Remaining
from inference_gateway.unset import FreeGrant
from ops.runtime.telemetry import REGISTRY

MIN_COMPLETION_TOKENS = 16
MAX_RETRY_SECONDS = 3600
QUOTA_REFUSALS = Counter("lyceum_gateway_quota_refusals_total", "quotas used up", ["when"], registry=REGISTRY)

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class QuotaGrant:
    """One admitted request: what it may spend is reserved, more is asked for in time where less than wanted was there."""

    def __init__(self, accounts: Accounts, held: Reservation, wanted: int, prompt_tokens: int, spawn: Spawn) -> None:
        self._accounts = accounts
        self._held = held
        self._reserved = held.taken.tokens
        self._wanted = wanted
        self._prompt_tokens = prompt_tokens
        self._spent = 0
        self._spawn = spawn
        self._asks = False
        self.settled = False

    @property
    def remaining(self) -> Remaining:
        """What is left after this request's reservation; its own reservation is not."""
        taken = self._held.taken
        if not self._held.buckets:
            return Remaining()
        return Remaining(
            tokens=taken.tokens_left, requests=taken.requests_left, reset_seconds=math.ceil(taken.reset_ms / 1000)
        )

    def spend(self, completion_tokens: int) -> None:
        """Count tokens as text flows.

        Raises:
            QuotaExhausted: fewer than wanted could be reserved, those are spent, and the quota has no more.
        """
        self._spent += completion_tokens
        if self.covers_all:
            return
        left = self._reserved - self._prompt_tokens - self._spent
        if left < 0:
            QUOTA_REFUSALS.labels("mid-stream").inc()
            raise QuotaExhausted(retry_after_seconds=_retry_after(self._held.taken))
        if left < MIN_COMPLETION_TOKENS and not self._asks:
            self._asks = True
            self._spawn(self._ask())

    @property
    def covers_all(self) -> bool:
        """Whether all tokens that were wanted are reserved, so that nothing can end the answer."""
        return not self._held.buckets or self._reserved >= self._wanted

    def settle(self, usage: Usage | None) -> None:
        """Give back what was not used; without usage what flowed counts, with the prompt if anything did."""
        if self.settled:
            return
        self.settled = True
        if usage is not None:
            used = usage.prompt_tokens + usage.completion_tokens
        else:
            used = self._prompt_tokens + self._spent if self._spent else 0
        self._accounts.settle(self._held, self._reserved, used)

    def cancel(self) -> None:
        """Give back everything, the request itself too: it was never begun."""
        self.settled = True
        self._accounts.settle(self._held, self._reserved, 0, requests_back=1)

    async def _ask(self) -> None:
        more = await self._accounts.more(self._held, self._wanted - self._reserved)
        if self.settled:
            self._accounts.settle(self._held, more, 0)
            return
        self._reserved += more
        self._asks = False


class FairAdmission:
    """Admission of a process. `weight_of` tells a tenant's share where several wait."""

    def __init__(self, permits: Permits, accounts: Accounts | None, weight_of: Callable[[UUID | None], float]) -> None:
        self._permits = permits
        self._accounts = accounts
        self._weight_of = weight_of
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def admit(self, caller: Caller, tokens: int, prompt_tokens: int = 0) -> AsyncIterator[Grant]:
        """Hold a permit and a reservation of up to `tokens` while the block runs; `prompt_tokens` of them are the prompt's.

        Raises:
            GatewayOverloaded: no permit came free before the deadline, or too many wait.
            QuotaExhausted: not even the prompt and a few tokens are left of a quota.
        """
        grant = await self._reserve(caller, tokens, prompt_tokens)
        flow = Flow(caller.tenant_id, caller.user_id)
        try:
            await self._permits.acquire(flow, self._weight_of(caller.tenant_id), max(tokens, 1))
        except BaseException:
            if grant is not None:
                grant.cancel()
            raise
        started_at = time.monotonic()
        try:
            yield grant or FreeGrant()
        finally:
            self._permits.release(flow, time.monotonic() - started_at)
            if grant is not None:
                grant.settle(None)

    async def close(self) -> None:
        """Wait until what was reserved is given back."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._accounts is not None:
            await self._accounts.settled()

    async def _reserve(self, caller: Caller, tokens: int, prompt_tokens: int) -> QuotaGrant | None:
        if self._accounts is None:
            return None
        least = min(tokens, prompt_tokens + MIN_COMPLETION_TOKENS)
        held = await self._accounts.reserve(caller, tokens, least)
        if not held.taken.allowed:
            QUOTA_REFUSALS.labels("at the door").inc()
            raise QuotaExhausted(retry_after_seconds=_retry_after(held.taken))
        return QuotaGrant(self._accounts, held, tokens, prompt_tokens, self._spawn)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _retry_after(taken: Taken) -> int:
    return min(max(1, math.ceil(taken.wait_ms / 1000)), MAX_RETRY_SECONDS)
