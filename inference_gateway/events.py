"""Server-sent events as they come over a connection, as far as generations need them: their data."""

from collections.abc import AsyncIterable, AsyncIterator

from inference_gateway.errors import UpstreamBroken

MAX_LINE_BYTES = 4 * 1024 * 1024


class EventData:
    """Takes a stream as it comes, and returns the data of the events that are whole.

    Lines end with a newline only: `aiter_lines` of HTTP clients would also split text at U+2028.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that end in `piece`; raises `UpstreamBroken` on a line beyond reason."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise UpstreamBroken("The stream cannot be read: a line is too long.")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]


async def event_data(pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the data of each event; raises as `EventData.feed`."""
    events = EventData()
    async for piece in pieces:
        for data in events.feed(piece):
            yield data
