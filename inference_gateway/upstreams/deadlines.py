"""Patience with a stream: so long for the first piece, so long between two."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from inference_gateway.contract import ChatDelta
from inference_gateway.errors import UpstreamTimeout


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to connect, until the first piece (connecting and the queue upstream included), and between pieces."""

    connect_seconds: float = 5.0
    first_seconds: float = 60.0
    between_seconds: float = 30.0


async def with_deadlines(
    stream: AsyncGenerator[ChatDelta, None], deadlines: Deadlines
) -> AsyncGenerator[ChatDelta, None]:
    """Yield from `stream`, and close it in every case.

    Raises:
        UpstreamTimeout: a deadline passed.
    """
    patience = deadlines.first_seconds
    async with aclosing(stream):
        while True:
            try:
                async with asyncio.timeout(patience):
                    delta = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise UpstreamTimeout(f"The generation server was silent for {patience:g} s.") from None
            yield delta
            patience = deadlines.between_seconds
