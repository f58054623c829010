"""Feeds a worker: takes messages, has jobs claimed for them and begins those, as many at once as there are places.

While jobs are quick, as many more are claimed ahead: taking several costs little more than taking one. What is claimed and
not begun within a second is handed back, and so is all of it when the worker drains.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol
from uuid import UUID

from actors.broker import Messages, MessagesUnavailable
from actors.context import log_failure
from actors.succession import Successions
from db.jobs import Claim
from ops.runtime.logging import get_logger

log = get_logger(__name__)

IDLE_POLL_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 0.01
FAILURE_PAUSE_SECONDS = 1.0
QUICK_SECONDS = 0.05
AHEAD_SECONDS = 1.0
SMOOTHING = 0.2


class Work(Protocol):
    """What is fed; see `actors.runner.Runner`."""

    def claim(self, messages: Sequence[UUID]) -> AsyncIterator[Claim]: ...
    async def perform(self, claim: Claim) -> None: ...
    async def give_back(self, claim: Claim) -> None: ...


class Feed:
    """The places of a worker and what is on its way to them; one coroutine takes from each queue."""

    def __init__(self, messages: Messages, queues: Collection[str], places: int, work: Work) -> None:
        self._messages = messages
        self._queues = queues
        self._places = places
        self._work = work
        self._successions = Successions()
        self._taken = 0
        self._ahead: deque[tuple[Claim, float]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._seconds = AHEAD_SECONDS
        self._changed = asyncio.Event()
        self._stopping = False
        self._feeding: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take."""
        work = [self._feed(queue) for queue in self._queues]
        self._feeding = [asyncio.create_task(each) for each in (*work, self._watch_ahead())]

    async def stop(self, timeout_seconds: float) -> None:
        """Take no more, hand back what has not begun, and wait for what runs."""
        self._stopping = True
        self._changed.set()
        await asyncio.wait(self._feeding, timeout=timeout_seconds)
        await self._give_back_ahead(0)
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_seconds)
        await self._successions.finish()
        self._messages.close()

    async def _feed(self, queue: str) -> None:
        """Take while there is room; from a queue that has many waiting, several at a time."""
        pause, least = FIRST_PAUSE_SECONDS, 1
        while room := await self._room(least):
            taken = await self._take(queue, room)
            least = self._places if taken == room and self._is_quick else 1
            pause = FIRST_PAUSE_SECONDS if taken else min(2 * pause, IDLE_POLL_SECONDS)
            if taken is None:
                pause = FAILURE_PAUSE_SECONDS
            if not taken:
                await self._sleep(pause)

    async def _take(self, queue: str, room: int) -> int | None:
        """Take messages, claim and begin; return how many messages there were, None without an answer."""
        self._taken += room
        claimed = 0
        try:
            messages = await self._messages.take(queue, room)
            if not messages:
                return 0
            async for claim in self._work.claim(messages):
                claimed += 1
                self._ahead.append((claim, time.monotonic()))
                self._begin()
        except MessagesUnavailable as error:
            log.warning("messages_unavailable", queue=queue, error=str(error))
            return None
        except Exception as error:  # noqa: BLE001 - whatever a claim raises, the queue goes on being served
            log_failure(log, "claim_failed", error, queue=queue)
            return None
        finally:
            self._taken -= room - claimed
            self._changed.set()
        return len(messages)

    @property
    def _is_quick(self) -> bool:
        return self._seconds < QUICK_SECONDS

    async def _room(self, least: int) -> int:
        """Wait until so many may be taken, and return how many may; 0 when the worker stops."""
        while not self._stopping:
            room = self._places * (2 if self._is_quick else 1) - self._taken
            if room >= (least if self._is_quick else 1):
                return room
            self._changed.clear()
            await self._changed.wait()
        return 0

    def _begin(self) -> None:
        while self._ahead and len(self._running) < self._places and not self._stopping:
            claim, _ = self._ahead.popleft()
            task = asyncio.create_task(self._perform(claim))
            self._running.add(task)
            task.add_done_callback(self._end)

    async def _perform(self, claim: Claim) -> None:
        began_at = time.monotonic()
        try:
            await self._work.perform(claim)
        except Exception as error:  # noqa: BLE001 - the lease ends, and the clock gives the job back
            log_failure(log, "attempt_broken", error)
        self._successions.note(claim)
        self._seconds += SMOOTHING * (time.monotonic() - began_at - self._seconds)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._taken -= 1
        self._begin()
        self._changed.set()

    async def _watch_ahead(self) -> None:
        """Hand back what others might begin sooner."""
        while not self._stopping:
            await self._sleep(AHEAD_SECONDS / 4)
            if self._ahead and time.monotonic() - self._ahead[0][1] > AHEAD_SECONDS:
                self._seconds = AHEAD_SECONDS
                await self._give_back_ahead(AHEAD_SECONDS)

    async def _give_back_ahead(self, older_than_seconds: float) -> None:
        while self._ahead and time.monotonic() - self._ahead[0][1] >= older_than_seconds:
            claim, _ = self._ahead.popleft()
            await self._work.give_back(claim)
            self._taken -= 1
        self._changed.set()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 if self._stopping else seconds)
