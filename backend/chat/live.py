"""Answers being given by this process: their events in memory, and how readers wait for more."""

import asyncio
from collections.abc import Sequence

from backend.chat.events import Event, Frame, encode
from ops.runtime.ids import MessageId


class LiveAnswer:
    """The numbered events of one answer, in the process that gives it."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.stop_requested = asyncio.Event()
        self._news = asyncio.Event()

    def append(self, events: Sequence[Event]) -> None:
        """Number the events and wake whoever waits; all of them become visible at once."""
        self.frames += [encode(seq, event) for seq, event in enumerate(events, start=len(self.frames) + 1)]
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seen: int, timeout_seconds: float) -> Sequence[Frame]:
        """Return the events after number `seen`, as soon as there are any; none when the time is over."""
        if len(self.frames) <= seen and timeout_seconds > 0:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._news.wait()
            except TimeoutError:
                return ()
        return self.frames[seen:]


class LiveAnswers:
    """All answers this process gives now."""

    def __init__(self) -> None:
        self._answers: dict[MessageId, LiveAnswer] = {}

    def begin(self, message_id: MessageId) -> LiveAnswer:
        """Make room for the events of a new answer."""
        return self._answers.setdefault(message_id, LiveAnswer())

    def get(self, message_id: MessageId) -> LiveAnswer | None:
        """Return the answer if this process gives it."""
        return self._answers.get(message_id)

    def end(self, message_id: MessageId) -> None:
        """Forget an answer that is stored; readers that hold it read on."""
        self._answers.pop(message_id, None)
