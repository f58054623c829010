"""Patience with a stream: so long for the first piece, so long between two; and none once the gateway stops."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from inference_gateway.contract import ChatDelta
from inference_gateway.errors import GatewayUnavailable, UpstreamTimeout


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to connect, until the first piece (connecting and the queue upstream included), and between pieces."""

    connect_seconds: float = 5.0
    first_seconds: float = 60.0
    between_seconds: float = 30.0


class Ending:
    """Tells all streams that wait for an upstream to end now."""

    def __init__(self) -> None:
        self.has_come = False
        self._waiting: set[asyncio.Timeout] = set()

    def come(self) -> None:
        """End the waits under way and all that begin later. Call it on the event loop."""
        self.has_come = True
        now = asyncio.get_running_loop().time()
        for wait in self._waiting:
            if not wait.expired():
                wait.reschedule(now)

    async def next_of(self, stream: AsyncGenerator[ChatDelta, None], seconds: float) -> ChatDelta:
        """Return the next piece.

        Raises:
            TimeoutError: it took longer than `seconds`, or the end has come.
            StopAsyncIteration: there is none.
        """
        async with asyncio.timeout(0 if self.has_come else seconds) as wait:
            self._waiting.add(wait)
            try:
                return await anext(stream)
            finally:
                self._waiting.discard(wait)


async def with_deadlines(
    stream: AsyncGenerator[ChatDelta, None], deadlines: Deadlines, ending: Ending | None = None
) -> AsyncGenerator[ChatDelta, None]:
    """Yield from `stream`, and close it in every case.

    Raises:
        UpstreamTimeout: a deadline passed.
        GatewayUnavailable: the end has come.
    """
    ending = ending or Ending()
    patience = deadlines.first_seconds
    async with aclosing(stream):
        while True:
            try:
                delta = await ending.next_of(stream, patience)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if ending.has_come:
                    raise GatewayUnavailable("The gateway is stopping.", retry_after_seconds=1) from None
                raise UpstreamTimeout(f"The generation server was silent for {patience:g} s.") from None
            yield delta
            patience = deadlines.between_seconds
