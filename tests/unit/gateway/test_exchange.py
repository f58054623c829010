"""The HTTP client of the hot path, against a server that says exactly what the test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import yarl

from inference_gateway.errors import GenerationUnavailable, UpstreamBroken
from inference_gateway.upstreams import exchange
from inference_gateway.upstreams.exchange import Exchanges
from tests.certificates import AUTHORITY_FILE, certificate

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Place:
    """A server's address, and how many connections were made to it."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.left = asyncio.Event()

    def exchanges(self, origin: str = "http://127.0.0.1") -> Exchanges:
        return Exchanges(yarl.URL(f"{origin}:{self.port}/x"), 1.0)


@asynccontextmanager
async def serving(*answers: bytes, stays: bool = True, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """Answer the requests of each connection with `answers` in turn, then stay silent or leave."""
    place = Place()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place.connections += 1
        for answer in answers:
            await reader.readuntil(b"hi")
            writer.write(answer)
        if stays:
            with suppress(ConnectionError):
                await reader.read()
            place.left.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    place.port = server.sockets[0].getsockname()[1]
    yield place
    server.close()


async def asked(exchanges: Exchanges) -> tuple[int, bytes]:
    async with asyncio.timeout(2), exchanges.ask(REQUEST) as reply:
        body = b""
        while data := await reply.read():
            body += data
        return reply.status, body


async def read_late(exchanges: Exchanges) -> int:
    """Return the size of an answer that nobody reads at first: until then no more of it may come than fits."""
    async with exchanges.ask(REQUEST) as reply:
        await asyncio.sleep(0.1)
        assert reply._size < exchange.HIGH_WATER_BYTES + 1024 * 1024
        seen = 0
        while data := await reply.read():
            seen += len(data)
    return seen


async def test_a_connection_is_used_again() -> None:
    async with serving(OK, CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", OK) as place:
        exchanges = place.exchanges()
        answers = [await asked(exchanges) for _ in range(3)]

        assert answers == [(200, b"hello"), (200, b"abc"), (200, b"hello")]
        assert place.connections == 1
        exchanges.close()


async def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\nLink: </x>\r\n\r\n"
    async with serving(interim + OK, interim + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", OK) as place:
        exchanges = place.exchanges()
        async with exchanges.ask(REQUEST) as reply:
            assert (reply.status, reply.retry_after, await reply.read()) == (200, "", b"hello")
        assert [await asked(exchanges) for _ in range(2)] == [(200, b"abc"), (200, b"hello")]
        assert place.connections == 1
        exchanges.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
    ],
    ids=["closes", "HTTP/1.0", "says more than it was asked"],
)
async def test_some_connections_are_not_used_again(answer: bytes) -> None:
    async with serving(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad") as place:
        exchanges = place.exchanges()
        for _ in range(2):
            assert await asked(exchanges) == (200, b"hello")
        assert place.connections == 2


async def test_a_connection_that_says_something_unasked_is_given_up() -> None:
    async with serving(OK) as place:
        exchanges = place.exchanges()
        await asked(exchanges)
        kept = exchanges._idle[0]
        kept.data_received(OK)

        assert not kept.is_open
        assert await asked(exchanges) == (200, b"hello")
        assert place.connections == 2


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n\r\nhello", stays=False) as place:
        assert await asked(place.exchanges()) == (200, b"hello")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"zz\r\nabc\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (exchange.MAX_HEAD_BYTES + exchange.HIGH_WATER_BYTES),
    ],
    ids=["nothing", "head", "length", "chunks", "size of a chunk", "other protocol", "endless head"],
)
async def test_what_breaks_off_or_cannot_be_read_is_broken(answer: bytes) -> None:
    async with serving(answer, stays=False) as place:
        with pytest.raises(UpstreamBroken):
            await asked(place.exchanges())


async def test_who_stops_reading_takes_the_connection_with_him() -> None:
    async with serving(CHUNKED + b"3\r\nabc\r\n") as place:
        async with place.exchanges().ask(REQUEST) as reply:
            assert await reply.read() == b"abc"
        async with asyncio.timeout(1):
            await place.left.wait()


async def test_a_long_answer_waits_for_its_reader() -> None:
    size = 8 * 1024 * 1024
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)) as place:
        assert await read_late(place.exchanges()) == size


async def test_idle_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(OK) as place:
        exchanges = place.exchanges()
        await asked(exchanges)
        monkeypatch.setattr(exchange, "KEEP_ALIVE_SECONDS", -1.0)
        await asked(exchanges)
        assert place.connections == 2


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://127.0.0.1"])
async def test_no_name_leads_to_a_refused_address(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    """Nothing is said there, not even a greeting."""
    monkeypatch.setattr(exchange, "is_refused", lambda host: host == "127.0.0.1")
    said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said.set_result(await reader.read(1))
        except ConnectionError:
            said.set_result(b"")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(GenerationUnavailable, match="where none may be"):
        await asked(Exchanges(yarl.URL(f"{origin}:{port}/x"), 1.0))
    server.close()
    assert await asyncio.wait_for(said, 2) == b""


async def test_nobody_listens() -> None:
    async with serving(OK) as place:
        pass
    with pytest.raises(GenerationUnavailable) as refused:
        await asked(place.exchanges())
    assert refused.value.retry_after_seconds


SECURE = "https://localhost"


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's context for `localhost`, of an authority that nobody knows."""
    return certificate(tmp_path, "localhost")[0]


@pytest.fixture
def trusted(tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The same, and its authority is named by the environment."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / AUTHORITY_FILE))
    return tls


async def test_a_connection_over_tls_is_used_again(trusted: ssl.SSLContext) -> None:
    async with serving(OK, CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", tls=trusted) as place:
        exchanges = place.exchanges(SECURE)

        assert [await asked(exchanges) for _ in range(2)] == [(200, b"hello"), (200, b"abc")]
        assert place.connections == 1
        exchanges.close()


async def test_a_long_answer_over_tls_waits_for_its_reader(trusted: ssl.SSLContext) -> None:
    size = 8 * 1024 * 1024
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    async with serving(answer, tls=trusted) as place:
        assert await read_late(place.exchanges(SECURE)) == size


async def test_a_certificate_of_an_unknown_authority_is_refused(tls: ssl.SSLContext) -> None:
    await assert_refused(tls, SECURE)


async def test_a_certificate_for_another_name_is_refused(trusted: ssl.SSLContext) -> None:
    await assert_refused(trusted, "https://127.0.0.1")


async def assert_refused(context: ssl.SSLContext, origin: str) -> None:
    async with serving(OK, tls=context) as place:
        with pytest.raises(GenerationUnavailable, match="SSLCertVerificationError") as refused:
            await asked(place.exchanges(origin))
        assert refused.value.retry_after_seconds
        assert place.connections == 0


async def test_a_server_that_speaks_no_tls_cannot_be_reached() -> None:
    async with serving(OK) as place:
        with pytest.raises(GenerationUnavailable):
            await asked(place.exchanges(SECURE))


async def test_an_answer_over_tls_that_breaks_off_is_broken(trusted: ssl.SSLContext) -> None:
    async with serving(CHUNKED + b"3\r\nabc\r\n", stays=False, tls=trusted) as place:
        with pytest.raises(UpstreamBroken):
            await asked(place.exchanges(SECURE))
