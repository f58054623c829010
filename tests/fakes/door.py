"""A TCP door before a server, on an address of its own: open, shut, or slammed on those who are in it."""

import asyncio
import ssl
from urllib.parse import urlsplit

from ops.local.ports import free_port


class Door:
    """Forwards bytes to `url` while it is open. Shut, nothing listens at its own `url`. With `tls` it speaks that outside."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._own_port = free_port()
        self._tls = tls
        self.url = f"http://127.0.0.1:{self._own_port}" if tls is None else f"https://localhost:{self._own_port}"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self._own_port, ssl=self._tls)

    def slam(self) -> None:
        """Listen no more, and break every connection off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self._host, self._port)
        both = {writer, inner_writer}
        self._writers |= both
        try:
            await asyncio.wait(
                [
                    asyncio.ensure_future(_pour(reader, inner_writer)),
                    asyncio.ensure_future(_pour(inner_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._writers -= both
            for one in both:
                one.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return
