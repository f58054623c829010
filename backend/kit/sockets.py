"""What every WebSocket has, without the framework that carries it: its two ends, how it is closed, and how many there are."""

import contextlib
from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

from backend.errors import LyceumError, RateLimited

MAX_SOCKETS = 2000
MAX_SOCKETS_PER_PERSON = 16
MAX_SOCKETS_SIGNING_IN = 200
RETRY_SECONDS = 30

NOT_SIGNED_IN = 4401
FOREIGN_ORIGIN = 4403
IDLE = 4408
OVERLOADED = 4429
RESTARTING = 1012


class Closed(Exception):
    """The socket is to be closed with `code`, after a frame with the `problem` where there is one to tell."""

    def __init__(self, code: int, reason: str, problem: LyceumError | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.problem = problem


class Gone(Exception):
    """The other end has closed the socket."""


class Socket(Protocol):
    """An accepted WebSocket."""

    async def receive(self) -> str:
        """Return the next text frame; raises `Gone`."""
        ...

    async def send(self, text: str) -> None:
        """Send a text frame; raises `Gone`."""
        ...


class SocketCount:
    """How many sockets of a kind this process holds, in all and per person."""

    def __init__(self) -> None:
        self.total = 0
        self._signing_in = 0
        self._by_person: dict[UUID, int] = {}

    @contextlib.contextmanager
    def signing_in(self) -> Iterator[None]:
        """Count a socket of which nobody knows whose it is; raises `Closed` where there are too many such."""
        if self._signing_in >= MAX_SOCKETS_SIGNING_IN:
            raise Closed(OVERLOADED, "too many sockets that have not signed in", too_many("sockets"))
        self._signing_in += 1
        try:
            yield
        finally:
            self._signing_in -= 1

    def enter(self, user_id: UUID) -> None:
        """Count one more; raises `Closed` where that is too much."""
        mine = self._by_person.get(user_id, 0)
        if self.total >= MAX_SOCKETS or mine >= MAX_SOCKETS_PER_PERSON:
            raise Closed(OVERLOADED, "too many sockets", too_many("sockets"))
        self.total += 1
        self._by_person[user_id] = mine + 1

    def leave(self, user_id: UUID) -> None:
        """Count one less."""
        self.total -= 1
        self._by_person[user_id] -= 1
        if not self._by_person[user_id]:
            del self._by_person[user_id]


def too_many(what: str) -> RateLimited:
    """Return the problem of somebody who has too much open at once."""
    return RateLimited(f"Too many {what} are open.", retry_after_seconds=RETRY_SECONDS)
