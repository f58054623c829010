"""Many texts to a server that takes few at once: in shares, some at the same time, and never without bound."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from inference_gateway.contract import Lane
from inference_gateway.engines.lanes import LaneLimits
from inference_gateway.errors import GatewayOverloaded

AT_ONCE = 8
RETRY_AFTER_SECONDS = 2

T = TypeVar("T")


class Room:
    """Counts the texts of each lane that wait for the server."""

    def __init__(self, limits: LaneLimits | None = None) -> None:
        limits = limits or LaneLimits()
        self._free: dict[Lane, int] = {"query": limits.waiting_questions, "passage": limits.waiting_passages}

    @contextmanager
    def holding(self, lane: Lane, texts: int) -> Iterator[None]:
        """Hold room for so many texts; raises `GatewayOverloaded` where there is not so much."""
        if texts > self._free[lane]:
            raise GatewayOverloaded(f"Too many texts wait in the {lane} lane.", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._free[lane] -= texts
        try:
            yield
        finally:
            self._free[lane] += texts


async def in_shares(texts: Sequence[str], size: int, work: Callable[[Sequence[str]], Awaitable[T]]) -> list[T]:
    """Return what `work` gives for each share of `size` texts, in order; the first error ends the others."""
    places = asyncio.Semaphore(AT_ONCE)

    async def run(share: Sequence[str]) -> T:
        async with places:
            return await work(share)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(texts[at : at + size])) for at in range(0, len(texts), size)]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
