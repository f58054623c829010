"""An answer's events as a `text/event-stream`."""

import asyncio
import time
from collections.abc import AsyncIterator

from backend.chat.reading import Reader

WAIT_SECONDS = 1.0
COMMENT_SECONDS = 15.0


async def event_stream(reader: Reader, draining: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield events to the last one, and a comment after each 15 s of silence so that no proxy cuts the connection.

    A server that stops ends the stream; the reader comes back with `Last-Event-ID`, to another replica.
    """
    try:
        spoke_at = time.monotonic()
        yield b"retry: 1000\n\n"
        while not draining.is_set():
            for frame in await reader.read(WAIT_SECONDS):
                yield frame.as_sse()
                spoke_at = time.monotonic()
                if frame.is_last:
                    return
            if time.monotonic() - spoke_at >= COMMENT_SECONDS:
                yield b": still here\n\n"
                spoke_at = time.monotonic()
    finally:
        reader.close()
