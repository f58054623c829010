"""Answers that other processes give: one connection blocks in XREAD over all streams somebody here reads.

A new reader first takes what the stream holds, then joins; an entry in the process's own wake stream makes the blocked
XREAD return, so that it starts again with the new stream among its keys.
"""

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any

from backend.chat.events import Frame
from backend.chat.streams import events_key, frame_of, read_frames
from ops.runtime.ids import MessageId, new_id
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError

log = get_logger(__name__)

BLOCK_MS = 5000
BATCH = 256
RETRY_SECONDS = 0.5
WAKE_MS = 60_000
BACKLOG_FRAMES = 1024


class Overflow(Exception):
    """A reader took so long that its backlog is full."""


class Subscription:
    """One reader of one stream; frames come in order, each once."""

    def __init__(self, message_id: MessageId, seen: int) -> None:
        self.message_id = message_id
        self.seen = seen
        self._waiting: list[Frame] = []
        self._news = asyncio.Event()
        self._overflown = False

    def offer(self, frames: Sequence[Frame]) -> None:
        """Hand over frames; those taken before are left out."""
        fresh = [frame for frame in frames if frame.seq > self.seen]
        if not fresh:
            return
        if len(self._waiting) + len(fresh) > BACKLOG_FRAMES:
            self._overflown = True
        else:
            self.seen = fresh[-1].seq
            self._waiting.extend(fresh)
        self._news.set()

    async def take(self, timeout_seconds: float) -> Sequence[Frame]:
        """Return what came since the last call, or none when the time is over.

        Raises:
            Overflow: frames were lost to this reader; it has to begin anew.
        """
        if not self._news.is_set() and timeout_seconds > 0:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._news.wait()
            except TimeoutError:
                return ()
        if self._overflown:
            raise Overflow
        frames, self._waiting = self._waiting, []
        self._news.clear()
        return frames


class StreamHub:
    """One per process. `redis` answers at once, `blocking` may wait."""

    def __init__(self, redis: Redis, blocking: Redis) -> None:
        self._redis = redis
        self._blocking = blocking
        self._wake_key = f"chat:wake:{new_id()}"
        self._wake_seen = "0-0"
        self._subscriptions: dict[MessageId, set[Subscription]] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def subscribe(self, message_id: MessageId, after: int) -> Subscription:
        """Follow an answer's stream from the event after `after`; raises RedisError."""
        subscription = Subscription(message_id, after)
        self._subscriptions.setdefault(message_id, set()).add(subscription)
        try:
            subscription.offer(await read_frames(self._redis, message_id, after))
            await self._wake()
        except RedisError:
            self.leave(subscription)
            raise
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Stop following."""
        followers = self._subscriptions.get(subscription.message_id)
        if followers is not None:
            followers.discard(subscription)
            if not followers:
                del self._subscriptions[subscription.message_id]

    async def close(self) -> None:
        """Stop reading."""
        # A cancellation alone may get lost: redis-py swallows it at some steps of a connection's beginning.
        self._is_closed = True
        self._wanted.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
        self._wanted.set()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.xadd(self._wake_key, {"w": 1}, maxlen=1, approximate=False)
        pipeline.pexpire(self._wake_key, WAKE_MS)
        await pipeline.execute()

    async def _run(self) -> None:
        while not self._is_closed:
            if not self._subscriptions:
                await self._wanted.wait()
                self._wanted.clear()
                continue
            try:
                await self._read()
            except RedisError as error:
                log.warning("chat_streams_without_redis", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        cursors: Any = {self._wake_key: self._wake_seen}
        for message_id, followers in self._subscriptions.items():
            cursors[events_key(message_id)] = f"{min(follower.seen for follower in followers)}-0"
        answer: Any = await self._blocking.xread(cursors, count=BATCH, block=BLOCK_MS)
        by_key = {events_key(message_id).encode(): message_id for message_id in self._subscriptions}
        for key, entries in _streams(answer):
            if key == self._wake_key.encode():
                self._wake_seen = entries[-1][0].decode()
            elif key in by_key:
                frames = [frame_of(entry_id, fields) for entry_id, fields in entries]
                for follower in self._subscriptions.get(by_key[key], ()):
                    follower.offer(frames)


def _streams(answer: Any) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """Return XREAD's answer alike for both protocols: RESP2 gives a list of pairs, RESP3 a map of nested lists."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return [
            (key, entries[0] if len(entries) == 1 and isinstance(entries[0], list) else entries)
            for key, entries in answer.items()
        ]
    return [(key, entries) for key, entries in answer]
