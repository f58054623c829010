"""A session connection of its own, for what does not survive transaction pooling: advisory locks.

A kill of the process closes the connection, and PostgreSQL frees the lock at once: the lock tells who lives.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import asyncpg

from db.errors import DatabaseUnavailable, translated

WORKER_LOCK_CLASS = 0x4C59_5755
LEADER_LOCK_CLASS = 0x4C59_434C
ANSWER_SECONDS = 5.0
RELEASE_SECONDS = 2.0


class SessionLock:
    """Holds one advisory lock over a connection to `DATABASE_DIRECT_URL` (or `DATABASE_URL` without a pooler)."""

    def __init__(self, url: str, lock_class: int, key: int, *, silence_seconds: float = 0) -> None:
        """With `silence_seconds` the server takes the lock from a process that asks nothing for so long, as one that hangs."""
        self._url = url
        self._settings = {"idle_session_timeout": str(round(silence_seconds * 1000))} if silence_seconds else {}
        self._lock_class = lock_class
        self._key = key
        self._connection: asyncpg.Connection | None = None
        self.lost = asyncio.Event()
        """Set when the connection, and the lock with it, has ended by itself."""

    async def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock; without `wait` return False when somebody else has it.

        Raises:
            DatabaseUnavailable: no connection, or, with `wait`, somebody else has the lock for 5 s.
        """
        with self._ended_by_failure(), translated():
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._url, timeout=ANSWER_SECONDS, server_settings=self._settings
                )
                self._connection.add_termination_listener(self._note_end)
                self.lost.clear()
            function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
            taken = await self._connection.fetchval(
                f"SELECT {function}($1::int, $2::int)", self._lock_class, self._key, timeout=ANSWER_SECONDS
            )
        return wait or bool(taken)

    async def is_held(self) -> bool:
        """Tell whether the connection, and so the lock, still stands.

        Raises:
            DatabaseUnavailable: nobody can tell; the lock is given up.
        """
        if self._connection is None or self._connection.is_closed():
            return False
        with self._ended_by_failure(), translated():
            await self._connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
        return True

    async def release(self) -> None:
        """Close the connection, which frees the lock; one whose server does not answer is cut."""
        released, self._connection = self._connection, None
        if released is not None and not released.is_closed():
            with suppress(TimeoutError, OSError):
                await released.close(timeout=RELEASE_SECONDS)

    def _note_end(self, ended: asyncpg.Connection) -> None:
        if ended is self._connection:
            self.lost.set()

    @contextmanager
    def _ended_by_failure(self) -> Iterator[None]:
        """Close a connection that failed or fell silent: what is asked on it later would wait behind the lost answer."""
        try:
            yield
        except DatabaseUnavailable:
            if self._connection is not None:
                self._connection.terminate()
            raise

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.release()
