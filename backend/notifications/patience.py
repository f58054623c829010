"""How long a receiver is waited for. One that stays silent holds a place of the worker, so it soon gets less time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

ANSWER_SECONDS: Final = 15.0
SHORT_SECONDS: Final = 2.0
FORGIVEN: Final = 2
"""So many times in a row a receiver may stay silent before it gets less time."""
FULL_TIME_EVERY_SECONDS: Final = 600.0
"""A receiver that answers slowly, and not never, shows it within this time."""
REMEMBERED: Final = 10_000


class _Silence(msgspec.Struct):
    times: int = 0
    full_time_at: float = 0.0


class Patience:
    """What a worker knows of receivers that did not answer in time. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent: OrderedDict[str, _Silence] = OrderedDict()

    def seconds(self, receiver: str) -> float:
        """Return how long to wait for an answer now."""
        silence = self._silent.get(receiver)
        if silence is None or silence.times < FORGIVEN:
            return ANSWER_SECONDS
        if self._clock() - silence.full_time_at < FULL_TIME_EVERY_SECONDS:
            return SHORT_SECONDS
        silence.full_time_at = self._clock()
        return ANSWER_SECONDS

    def was_silent(self, receiver: str) -> None:
        """Note that the receiver did not answer in time."""
        silence = self._silent.setdefault(receiver, _Silence())
        silence.times += 1
        if silence.times == FORGIVEN:
            silence.full_time_at = self._clock()
        self._silent.move_to_end(receiver)
        if len(self._silent) > REMEMBERED:
            self._silent.popitem(last=False)

    def answered(self, receiver: str) -> None:
        """Note that it answered, whatever it said."""
        self._silent.pop(receiver, None)
