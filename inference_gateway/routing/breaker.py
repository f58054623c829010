"""A circuit breaker: closed, open, half-open with one probe (M. Nygard, "Release It!", ch. 5).

It opens after three failures in a row, or when half of the last twenty ended badly; stays open for a time that doubles with
each opening in a row, give or take a quarter; then lets one request through. The first piece of that one's answer closes
it on trial: until one answer is whole, a single failure opens it again.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

State = Literal["closed", "open", "half_open"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When to open, and for how long. `jitter` is the part of the time by which it varies, up or down."""

    failures: int = 3
    window: int = 20
    bad_share: float = 0.5
    open_seconds: float = 1.0
    longest_seconds: float = 30.0
    jitter: float = 0.25


class Pass:
    """Leave for one request; tell it how that ended, once. What began before the breaker last opened tells nothing."""

    __slots__ = ("_breaker", "_openings")

    def __init__(self, breaker: "Breaker") -> None:
        self._breaker = breaker
        self._openings = breaker.openings

    def answered(self) -> None:
        """The first piece of an answer came, or the server said that it has too much to do: it lives."""
        if self._counts:
            self._breaker.sees_life()

    def succeeded(self) -> None:
        """The answer is whole."""
        if self._counts:
            self._breaker.sees(good=True)

    def failed(self) -> None:
        """The server could not be reached, broke off or fell silent."""
        if self._counts:
            self._breaker.sees(good=False)

    def left(self) -> None:
        """Nothing was learnt: the client has gone, or the request was refused."""
        if self._counts:
            self._breaker.learns_nothing()

    @property
    def _counts(self) -> bool:
        return self._openings == self._breaker.openings


class Breaker:
    """Guards one upstream. Not for several threads."""

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[float, float], float] = random.uniform,
        on_change: Callable[[State], None] = lambda _state: None,
    ) -> None:
        self.state: State = "closed"
        self.openings = 0
        self._rules = rules or Rules()
        self._clock = clock
        self._spread = spread
        self._on_change = on_change
        self._outcomes: deque[bool] = deque(maxlen=self._rules.window)
        self._failures_in_a_row = 0
        self._openings_in_a_row = 0
        self._on_trial = False
        self._probe_at = 0.0

    def enter(self) -> Pass | None:
        """Return leave for one request, or None while the server is given a rest. The pass must be told the outcome."""
        if self.state == "closed":
            return Pass(self)
        if self.state == "half_open" or self._clock() < self._probe_at:
            return None
        self._become("half_open")
        return Pass(self)

    @property
    def seconds_until_probe(self) -> float:
        """How long nothing is let through; 0 when closed or when the next request may probe."""
        return max(0.0, self._probe_at - self._clock()) if self.state == "open" else 0.0

    def sees_life(self) -> None:
        """Close on trial when this was the probe."""
        if self.state == "half_open":
            self._on_trial = True
            self._become("closed")

    def sees(self, *, good: bool) -> None:
        """Count an outcome."""
        self._outcomes.append(good)
        if good:
            self.sees_life()
            self._failures_in_a_row = self._openings_in_a_row = 0
            self._on_trial = False
            return
        self._failures_in_a_row += 1
        if self.state == "half_open" or self._on_trial or self._too_many():
            self._open()

    def learns_nothing(self) -> None:
        """Let the next request be the probe when this one was."""
        if self.state == "half_open":
            self._become("open")

    def _too_many(self) -> bool:
        rules = self._rules
        full = len(self._outcomes) == rules.window
        return self._failures_in_a_row >= rules.failures or (
            full and self._outcomes.count(False) >= rules.bad_share * rules.window
        )

    def _open(self) -> None:
        rules = self._rules
        seconds = min(rules.longest_seconds, rules.open_seconds * 2**self._openings_in_a_row)
        self._probe_at = self._clock() + seconds * self._spread(1 - rules.jitter, 1 + rules.jitter)
        self.openings += 1
        self._openings_in_a_row += 1
        self._failures_in_a_row = 0
        self._on_trial = False
        self._outcomes.clear()
        self._become("open")

    def _become(self, state: State) -> None:
        self.state = state
        self._on_change(state)
