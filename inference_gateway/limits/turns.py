"""Whose turn it is: start-time fair queueing (Goyal, Vin, Cheng, "Start-time Fair Queuing", SIGCOMM 1996)."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Turns(Generic[Key]):
    """Virtual time of flows that share something. A flow that waits is served by its weight, one that did not wait gains nothing.

    A piece of work starts at the later of the present virtual time and the finish of the flow's piece before; it finishes
    `cost / weight` later. The earliest start is served next, and is the virtual time from then on.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._starts: dict[Key, float] = {}
        self._finishes: dict[Key, float] = {}

    def join(self, key: Key) -> None:
        """Let a flow wait that had nothing waiting."""
        if key not in self._starts:
            self._starts[key] = max(self._now, self._finishes.pop(key, 0.0))

    def leave(self, key: Key) -> None:
        """Take a flow out whose work was given up unserved."""
        self._remember(key, self._starts.pop(key))

    def first(self, may: Callable[[Key], bool]) -> Key | None:
        """Return the flow to serve next among those that may be served."""
        return min(filter(may, self._starts), key=self._starts.__getitem__, default=None)

    def served(self, key: Key, cost: float, weight: float, *, more: bool) -> None:
        """Note that a flow's oldest piece is served; `more`: others of it wait."""
        start = self._starts.pop(key)
        self._now = max(self._now, start)
        if more:
            self._starts[key] = start + cost / weight
        else:
            self._remember(key, start + cost / weight)

    def _remember(self, key: Key, finish: float) -> None:
        self._finishes[key] = finish
        if len(self._finishes) > 2 * len(self._starts) + 64:
            self._finishes = {each: at for each, at in self._finishes.items() if at > self._now}
