"""Leases of the answers that this process gives: one round trip a second renews them all and asks who is to stop."""

import asyncio
import contextlib
import contextvars
from collections.abc import Sequence

from backend.chat.streams import LEASE_MS, LEASE_RENEWED_SECONDS, lease_key, stop_key
from ops.runtime.ids import MessageId
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError

log = get_logger(__name__)

BATCH = 256


class Leases:
    """One per process. Without Redis answers go on; nobody elsewhere can see that they do."""

    def __init__(self, redis: Redis, owner: str) -> None:
        self._redis = redis
        self._owner = owner
        self._held: dict[MessageId, asyncio.Event] = {}
        self._fresh: list[MessageId] = []
        self._news = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._is_lost = False
        self._is_closed = False

    def hold(self, message_id: MessageId, stop_requested: asyncio.Event) -> None:
        """Say from now on that the answer is being given; set the event when somebody asks to stop it."""
        self._held[message_id] = stop_requested
        self._fresh.append(message_id)
        self._news.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    async def release(self, message_id: MessageId) -> None:
        """Say it no more."""
        self._held.pop(message_id, None)
        try:
            async with self._renewing:  # a renewal under way would bring the lease back
                await self._redis.delete(lease_key(message_id), stop_key(message_id))
        except RedisError as error:
            self._lost(error)

    async def close(self) -> None:
        """Stop renewing."""
        # A cancellation alone may get lost: redis-py swallows it at some steps of a connection's beginning.
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Renew all once a second, and new ones at once."""
        loop = asyncio.get_running_loop()
        while not self._is_closed:
            await self._renew(list(self._held))
            due = loop.time() + LEASE_RENEWED_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    while True:
                        await self._news.wait()
                        self._news.clear()
                        fresh, self._fresh = self._fresh, []
                        await self._renew(fresh)

    async def _renew(self, message_ids: Sequence[MessageId]) -> None:
        try:
            for start in range(0, len(message_ids), BATCH):
                async with self._renewing:
                    held = [each for each in message_ids[start : start + BATCH] if each in self._held]
                    await self._renew_batch(held)
            self._is_lost = False
        except RedisError as error:
            self._lost(error)

    async def _renew_batch(self, message_ids: Sequence[MessageId]) -> None:
        if not message_ids:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for message_id in message_ids:
            pipeline.set(lease_key(message_id), self._owner, px=LEASE_MS)
        for message_id in message_ids:
            pipeline.exists(stop_key(message_id))
        asked = (await pipeline.execute())[len(message_ids) :]
        for message_id, stop in zip(message_ids, asked, strict=True):
            if stop and message_id in self._held:
                self._held[message_id].set()

    def _lost(self, error: RedisError) -> None:
        if not self._is_lost:
            log.warning("leases_without_redis", answers=len(self._held), error=type(error).__name__)
        self._is_lost = True
