"""The bounded queue in front of the batch: first come, first served, and nobody waits for ever."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from inference_gateway.engines.generation.sequence import Sequence
from inference_gateway.errors import GatewayOverloaded, GenerationUnavailable

MAX_RETRY_AFTER_SECONDS = 60
FIRST_GUESS_SECONDS = 2.0
SMOOTHING = 0.2


class Waiting:
    """Thread-safe. The event loop puts and releases, the engine's thread takes.

    `places` bounds all that were put and not released, whether they wait or run: of many that come at once none is sent
    away before the batch is full.
    """

    def __init__(self, places: int, patience_seconds: float) -> None:
        self._places = places
        self._inside: set[Sequence] = set()
        self._patience = patience_seconds
        self._sequences: deque[Sequence] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._woken = False
        self._seconds_per_place = FIRST_GUESS_SECONDS

    def __len__(self) -> int:
        return len(self._sequences)

    @property
    def closed(self) -> bool:
        """Tell whether nothing is taken in any more."""
        return self._closed

    def put(self, sequence: Sequence) -> None:
        """Queue a new sequence.

        Raises:
            GatewayOverloaded: all places are taken; `retry_after_seconds` is a guess from the pace of late.
            GenerationUnavailable: the engine is shutting down.
        """
        with self._changed:
            if self._closed:
                raise GenerationUnavailable("The generation engine is shutting down.", retry_after_seconds=1)
            if len(self._inside) >= self._places:
                raise self._overloaded(f"{len(self._inside)} requests are with the generation model already.")
            self._inside.add(sequence)
            self._sequences.append(sequence)
            self._wake()

    def put_back(self, sequences: Iterable[Sequence]) -> None:
        """Queue sequences that had begun, in front of all others and whatever the bound."""
        with self._changed:
            self._sequences.extendleft(reversed(list(sequences)))
            self._wake()

    def all(self) -> list[Sequence]:
        """Return those that wait now and are waited for."""
        with self._changed:
            return [one for one in self._sequences if not one.left]

    def take(self, fits: Callable[[Sequence], bool], can_run: Callable[[Sequence], bool]) -> Sequence | None:
        """Return the first that somebody waits for and that can run, if it fits."""
        with self._changed:
            for sequence in list(self._sequences):
                if sequence.left:
                    self._sequences.remove(sequence)
                elif can_run(sequence):
                    if not fits(sequence):
                        return None
                    self._sequences.remove(sequence)
                    return sequence
            return None

    def release(self, sequence: Sequence) -> None:
        """Give the place up of a sequence that has ended, or whose client has left."""
        with self._changed:
            self._inside.discard(sequence)
            if sequence in self._sequences:
                self._sequences.remove(sequence)

    def expire(self) -> None:
        """Fail those that have waited too long without having begun."""
        before = time.monotonic() - self._patience
        with self._changed:
            late = [one for one in self._sequences if one.started_at is None and one.created_at < before]
            for sequence in late:
                self._sequences.remove(sequence)
                sequence.fail(self._overloaded(f"No place came free within {self._patience:g} s."))

    def observe(self, seconds: float) -> None:
        """Learn how long a place is held, divided by the number of places, for `Retry-After`."""
        self._seconds_per_place += SMOOTHING * (seconds - self._seconds_per_place)

    def wait(self, seconds: float | None = None) -> None:
        """Block until another waits, `wake` is called, the queue is closed, or that time is over."""
        with self._changed:
            if not self._woken:
                self._changed.wait(seconds)
            self._woken = False

    def wake(self) -> None:
        """End a `wait`, the next one if none is under way."""
        with self._changed:
            self._wake()

    def close(self) -> None:
        """Take nothing in any more, and wake the engine."""
        with self._changed:
            self._closed = True
            self._wake()

    def clear(self) -> list[Sequence]:
        """Return what was left, and forget it."""
        with self._changed:
            left = list(self._sequences)
            self._sequences.clear()
            return left

    def _wake(self) -> None:
        self._woken = True
        self._changed.notify_all()

    def _overloaded(self, detail: str) -> GatewayOverloaded:
        seconds = math.ceil(len(self._sequences) * self._seconds_per_place)
        return GatewayOverloaded(detail, retry_after_seconds=min(max(seconds, 1), MAX_RETRY_AFTER_SECONDS))
