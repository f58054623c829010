"""Two lanes in front of one model: questions overtake passages, and no lane grows without bound.

Thread-safe. The event loop reserves and fills, the workers take; a batch is bounded by texts and by padded
tokens, so a question waits for at most one small batch of passages.
"""

import math
import threading
from collections import deque
from typing import Any

import msgspec

from inference_gateway.contract import Lane
from inference_gateway.engines.tickets import Ticket
from inference_gateway.errors import GatewayOverloaded

QUESTION_BATCHES_IN_A_ROW = 16
"""After so many batches of questions one batch of passages runs, so that ingestion never starves."""

RATE_SMOOTHING = 0.2


class LaneLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one batch and of what may wait, in texts; `batch_tokens` counts padding and yields for a single text.

    The defaults are for a CPU: 256 tokens of a small model take one core about 55 ms, more gain next to nothing.
    """

    batch_texts: int = 8
    batch_tokens: int = 256
    waiting_questions: int = 512
    waiting_passages: int = 8192


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One text ready for the model: `prepared` is the encoder's own form of it, `position` its place in the request."""

    ticket: Ticket
    lane: Lane
    position: int
    tokens: int
    prepared: Any


class LaneQueue:
    """Bounded queue of both lanes."""

    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        self._capacity: dict[Lane, int] = {"query": limits.waiting_questions, "passage": limits.waiting_passages}
        self._reserved: dict[Lane, int] = {"query": 0, "passage": 0}
        self._questions: deque[Work] = deque()
        self._passages: list[Work] = []
        self._changed = threading.Condition()
        self._closed = False
        self._questions_in_a_row = 0
        self._texts_per_second: dict[Lane, float] = {"query": 50.0, "passage": 20.0}

    def reserve(self, lane: Lane, texts: int) -> None:
        """Claim room for `texts`, before any work is spent on them.

        Raises:
            GatewayOverloaded: the lane is full; `retry_after_seconds` is when it should have emptied.
        """
        with self._changed:
            waiting = self._reserved[lane]
            if waiting + texts > self._capacity[lane]:
                seconds = math.ceil(waiting / self._texts_per_second[lane])
                raise GatewayOverloaded(
                    f"{waiting} texts wait in the {lane} lane", retry_after_seconds=min(max(seconds, 1), 60)
                )
            self._reserved[lane] += texts

    def release(self, lane: Lane, texts: int) -> None:
        """Give back room that was reserved and not filled with `put`."""
        with self._changed:
            self._reserved[lane] -= texts

    def put(self, lane: Lane, works: list[Work]) -> bool:
        """Add texts that have a reservation; False when the queue is closed and they were not added."""
        with self._changed:
            if self._closed:
                self._reserved[lane] -= len(works)
                return False
            if lane == "query":
                self._questions.extend(works)
            else:
                self._passages.extend(works)
                self._passages.sort(key=_longest_first)
            self._changed.notify_all()
            return True

    def take(self) -> list[Work]:
        """Wait for the next batch; an empty one means the queue is closed."""
        with self._changed:
            while not self._closed:
                batch = self._next_batch()
                if batch:
                    return batch
                self._changed.wait()
            return []

    def discard(self, ticket: Ticket) -> None:
        """Drop what is left of a request nobody waits for any more."""
        with self._changed:
            self._questions = deque(self._drop(ticket, "query", self._questions))
            self._passages = self._drop(ticket, "passage", self._passages)

    def observe(self, lane: Lane, texts: int, seconds: float) -> None:
        """Learn how fast the model works, for `Retry-After`."""
        rate = texts / max(seconds, 1e-6)
        with self._changed:
            self._texts_per_second[lane] += RATE_SMOOTHING * (rate - self._texts_per_second[lane])

    def waiting(self, lane: Lane) -> int:
        """Return how many texts hold a place in the lane."""
        return self._reserved[lane]

    def close(self) -> list[Work]:
        """Let `take` return for good; gives back what was still waiting."""
        with self._changed:
            self._closed = True
            left = [*self._questions, *self._passages]
            self._questions.clear()
            self._passages.clear()
            self._changed.notify_all()
            return left

    def _next_batch(self) -> list[Work]:
        passages_are_due = self._questions_in_a_row >= QUESTION_BATCHES_IN_A_ROW and bool(self._passages)
        if self._questions and not passages_are_due:
            self._questions_in_a_row += 1
            return self._take_questions()
        self._questions_in_a_row = 0
        return self._take_passages() if self._passages else []

    def _take_questions(self) -> list[Work]:
        batch: list[Work] = []
        longest = 0
        while self._questions and len(batch) < self._limits.batch_texts:
            longest = max(longest, self._questions[0].tokens)
            if batch and longest * (len(batch) + 1) > self._limits.batch_tokens:
                break
            batch.append(self._questions.popleft())
        self._reserved["query"] -= len(batch)
        return batch

    def _take_passages(self) -> list[Work]:
        """Start at the longest text of the oldest request, and fill with those just shorter, whoever sent them."""
        oldest = min(work.ticket.number for work in self._passages)
        start = next(i for i, work in enumerate(self._passages) if work.ticket.number == oldest)
        by_tokens = self._limits.batch_tokens // max(self._passages[start].tokens, 1)
        size = max(1, min(self._limits.batch_texts, by_tokens))
        batch = self._passages[start : start + size]
        del self._passages[start : start + size]
        self._reserved["passage"] -= len(batch)
        return batch

    def _drop(self, ticket: Ticket, lane: Lane, works: "deque[Work] | list[Work]") -> list[Work]:
        kept = [work for work in works if work.ticket is not ticket]
        self._reserved[lane] -= len(works) - len(kept)
        return kept


def _longest_first(work: Work) -> int:
    return -work.tokens
