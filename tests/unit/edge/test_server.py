"""uvicorn as it runs in earnest, on a port of its own: limits on the wire, and a stop that loses nothing."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets
from litestar import Request, WebSocket, get, websocket
from litestar.response import Stream

from backend.kit.http import own_authentication, public
from backend.server import DrainingServer, bind_address, server_config
from tests.unit.edge.conftest import BEARER, edge_app, settings

AnyRequest = Request[Any, Any, Any]


@get("/slow", opt=public())
async def slow() -> dict[str, bool]:
    await asyncio.sleep(0.5)
    return {"done": True}


@get("/stream", opt=public())
async def stream(request: AnyRequest) -> Stream:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first "
        await request.app.state.draining.wait()
        yield b"last"

    return Stream(pieces())


@get("/address", opt=public())
async def address(request: AnyRequest) -> dict[str, str]:
    assert request.client is not None
    return {"host": request.client.host, "scheme": request.url.scheme}


@websocket("/socket", opt=own_authentication("chat.use"))
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    async for text in socket.iter_data("text"):
        await socket.send_text(text)


class Running:
    def __init__(self, server: DrainingServer, port: int, serving: asyncio.Task[None]) -> None:
        self.server = server
        self.url = f"127.0.0.1:{port}"
        self.serving = serving

    def stop(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)


@asynccontextmanager
async def running(extra: Sequence[Any] = (), **changes: Any) -> AsyncIterator[Running]:
    app = edge_app(slow, stream, address, echo, *extra, **changes)
    listening = socket.create_server(("127.0.0.1", 0))
    server = DrainingServer(server_config(app, settings(**changes)), app.state.draining)
    task = asyncio.create_task(server._serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Running(server, listening.getsockname()[1], task)
    finally:
        server.should_exit = True
        await task


async def test_request_in_progress_is_answered_before_the_end() -> None:
    async with running() as api, httpx.AsyncClient(base_url=f"http://{api.url}") as client:
        pending = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(0.2)
        api.stop()
        assert (await pending).json() == {"done": True}
        await api.serving
        with pytest.raises(httpx.TransportError):
            await client.get("/slow")


async def test_while_it_still_serves_each_answer_sends_its_client_elsewhere() -> None:
    async with running() as api, httpx.AsyncClient(base_url=f"http://{api.url}") as client:
        assert "connection" not in (await client.get("/address")).headers
        api.stop()
        served = 0
        while api.server.servers and api.server.servers[0].is_serving() and not api.server.should_exit:
            try:
                response = await client.get("/address")
            except httpx.ConnectError:
                break  # it has stopped listening since
            assert (response.status_code, response.headers["connection"]) == (200, "close")
            served += 1
            await asyncio.sleep(0.05)
        assert served > 3
        api.stop()


async def test_stream_ends_when_the_process_drains() -> None:
    async with running() as api, httpx.AsyncClient(base_url=f"http://{api.url}") as client:
        async with client.stream("GET", "/stream") as response:
            pieces = response.aiter_bytes()
            assert await anext(pieces) == b"first "
            api.stop()
            assert await anext(pieces) == b"last"
        async with asyncio.timeout(5):
            await api.serving


async def test_sockets_are_closed_with_1012() -> None:
    async with running() as api, websockets.connect(f"ws://{api.url}/socket") as client:
        await client.send("hello")
        assert await client.recv() == "hello"
        api.stop()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_frame_beyond_the_limit_closes_the_socket() -> None:
    async with running() as api, websockets.connect(f"ws://{api.url}/socket", max_size=None) as client:
        await client.send("x" * 65_537)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_frames_are_not_compressed() -> None:
    async with running() as api, websockets.connect(f"ws://{api.url}/socket") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_large_body_in_pieces_is_413() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    async with running() as api, httpx.AsyncClient(base_url=f"http://{api.url}") as client:
        headers = {**BEARER, "content-type": "application/json"}
        response = await client.post("/things", content=pieces(), headers=headers)
        assert (response.status_code, response.json()["type"]) == (413, "/problems/payload-too-large")


async def test_bytes_that_are_no_text_in_headers_and_path_are_no_fault_of_ours() -> None:
    async with running() as api:
        for request in (
            b"GET /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
            b"GET /open HTTP/1.1\r\nHost: x\r\nCookie: lyceum_session=\xff\r\n\r\n",
            b"GET /open HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + b"\xff" * 8 + b"\r\n\r\n",
            b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /things?limit=%ff HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer reader\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(*api.url.split(":"))
            writer.write(request)
            status = (await reader.readline()).split()[1]
            assert status in (b"200", b"400", b"401", b"404"), (request, status)
            writer.close()


@pytest.mark.parametrize(
    ("trusted", "host", "scheme"),
    [("127.0.0.1", "203.0.113.9", "https"), ("", "127.0.0.1", "http"), ("10.0.0.1", "127.0.0.1", "http")],
)
async def test_forwarded_address_is_believed_from_a_trusted_proxy_alone(trusted: str, host: str, scheme: str) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    async with running(trusted_proxies=trusted) as api, httpx.AsyncClient(base_url=f"http://{api.url}") as client:
        assert (await client.get("/address", headers=forwarded)).json() == {"host": host, "scheme": scheme}


def test_development_listens_on_loopback_alone() -> None:
    assert bind_address(settings()) == "127.0.0.1"
    assert bind_address(settings(public_url="http://localhost:8000")) == "127.0.0.1"
    assert bind_address(settings(public_url="http://192.168.1.5:8000")) == "0.0.0.0"
    assert bind_address(settings(env="production", public_url="https://tutor.example")) == "0.0.0.0"
