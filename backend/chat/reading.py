"""Readers of an answer's events. Three kinds, one interface: of this process, of another one, and of a stored answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from backend.chat.events import Frame
from backend.chat.hub import Overflow, StreamHub, Subscription
from backend.chat.live import LiveAnswer
from backend.chat.streams import silent_seconds
from db.errors import DatabaseUnavailable
from ops.runtime.ids import MessageId
from ops.runtime.redis import Redis, RedisError

GIVEN_UP_AFTER_SECONDS = 10.0
CHECK_EVERY_SECONDS = 1.0
SLOWEST_ANSWER_SECONDS = 200.0
"""Without Redis nobody can tell who lives; no process gives an answer for longer than this."""


class Reader(Protocol):
    """Gives events in order, each once; after `done` nothing comes."""

    async def read(self, timeout_seconds: float) -> Sequence[Frame]:
        """Return further events as soon as there are any, none when the time is over."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class StoredReader:
    """Events of an answer that has ended."""

    def __init__(self, frames: Sequence[Frame], after: int) -> None:
        self._frames: Sequence[Frame] = [frame for frame in frames if frame.seq > after]

    async def read(self, timeout_seconds: float) -> Sequence[Frame]:
        """Return them all at once."""
        del timeout_seconds
        frames, self._frames = self._frames, ()
        return frames

    def close(self) -> None:
        """Nothing is open."""


class LocalReader:
    """Events of an answer that this process gives."""

    def __init__(self, live: LiveAnswer, after: int) -> None:
        self._live = live
        self._seen = after

    async def read(self, timeout_seconds: float) -> Sequence[Frame]:
        """Return further events."""
        frames = await self._live.wait(self._seen, timeout_seconds)
        if frames:
            self._seen = frames[-1].seq
        return frames

    def close(self) -> None:
        """Nothing is open."""


Ended = Callable[[bool], Awaitable[Sequence[Frame]]]


class RemoteReader:
    """Events of an answer that another process gives, or gave until it died.

    A stream with a gap, as Redis leaves it when it loses its memory, is not read on: what is missing comes from the stored
    answer. `ended` returns the stored events of an answer that has ended, else none; it is told when the answer is to be given up.
    """

    def __init__(self, redis: Redis, hub: StreamHub, message_id: MessageId, after: int, ended: Ended) -> None:
        self._redis = redis
        self._hub = hub
        self._message_id = message_id
        self._seen = after
        self._ended = ended
        self._subscription: Subscription | None = None
        self._has_gap = False
        self._opened_at = time.monotonic()

    async def read(self, timeout_seconds: float) -> Sequence[Frame]:
        """Return further events; looks after the answer's process when there are none."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            wait = min(CHECK_EVERY_SECONDS, max(deadline - time.monotonic(), 0.0))
            frames = await self._take(wait) or await self._look_after()
            if frames:
                self._seen = frames[-1].seq
            if frames or time.monotonic() >= deadline:
                return frames

    def close(self) -> None:
        """Leave the stream."""
        if self._subscription is not None:
            self._hub.leave(self._subscription)

    async def _take(self, timeout_seconds: float) -> Sequence[Frame]:
        if self._has_gap:
            await asyncio.sleep(timeout_seconds)
            return ()
        try:
            if self._subscription is None:
                self._subscription = await self._hub.subscribe(self._message_id, self._seen)
            frames = await self._subscription.take(timeout_seconds)
        except (RedisError, Overflow):
            self.close()
            self._subscription = None
            await asyncio.sleep(timeout_seconds)
            return ()
        if frames and frames[0].seq != self._seen + 1:
            self._has_gap = True
            return ()
        return frames

    async def _look_after(self) -> Sequence[Frame]:
        try:
            silent = await silent_seconds(self._redis, self._message_id)
            given_up = silent >= GIVEN_UP_AFTER_SECONDS
        except RedisError:
            silent, given_up = CHECK_EVERY_SECONDS, time.monotonic() - self._opened_at > SLOWEST_ANSWER_SECONDS
        if not silent:
            return ()
        try:
            ended = await self._ended(given_up)
        except DatabaseUnavailable:
            return ()  # the reader stays; the next look tells
        return [frame for frame in ended if frame.seq > self._seen]
