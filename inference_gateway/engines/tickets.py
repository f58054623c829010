"""A request on its way through the compute thread: collects its rows, then wakes the coroutine that waits."""

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence

_numbers = itertools.count()


class Ticket:
    """One request of `size` texts. Made on the event loop; `deliver` and `fail` may be called from any thread."""

    def __init__(self, size: int) -> None:
        self.number = next(_numbers)
        self.created_at = time.perf_counter()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[list[bytes]] = self._loop.create_future()
        self._rows: list[bytes] = [b""] * size
        self._missing = size
        self._lock = threading.Lock()

    def deliver(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """Put rows (position, float32 bytes) in place; the last ones end the wait."""
        with self._lock:
            for position, row in rows:
                self._rows[position] = row
            self._missing -= len(rows)
            complete = self._missing == 0
        if complete:
            self._call(self._set_result)

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""
        self._call(self._set_exception, error)

    async def rows(self) -> list[bytes]:
        """Wait for all rows, in the order of the texts."""
        return await self._done

    def _call(self, function: object, *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type]

    def _set_result(self) -> None:
        if not self._done.done():
            self._done.set_result(self._rows)

    def _set_exception(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
