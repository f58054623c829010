"""Servers with a certificate of an authority of one's own: trusted by every way that leads to one, once SSL_CERT_FILE names it."""

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from inference_gateway.client import GatewayClient
from inference_gateway.contract import ChatMessage, ChatRequest
from inference_gateway.errors import EmbedderFailed, GatewayError, GatewayUnavailable, GenerationUnavailable
from inference_gateway.upstreams.choose import upstream_from
from inference_gateway.upstreams.protocol import Upstream
from inference_gateway.upstreams.tei_server import TeiServer
from inference_gateway.upstreams.transport import Connections
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceTokens
from tests.certificates import AUTHORITY_FILE, certificate
from tests.fakes.door import Door
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer, serving
from tests.fakes.tei_server import tei_server
from tests.fakes.tgi_server import tgi_server

CHAT = ChatRequest(messages=(ChatMessage(role="user", content="Hello"),))
Use = Callable[[str], Awaitable[None]]


def generating(request: ChatRequest | None, api: Literal["openai", "tgi"] = "openai") -> Use:
    """Have the upstream at an address answer, or look after its health."""

    async def use(url: str) -> None:
        upstream = upstream_from(Settings(generation_url=url, generation_api=api))
        assert upstream is not None
        try:
            await (upstream.check() if request is None else answered(upstream, request))
        finally:
            await upstream.close()

    return use


async def answered(upstream: Upstream, request: ChatRequest) -> None:
    async with aclosing(upstream.stream(request)) as deltas:
        assert "".join([delta.text async for delta in deltas])


async def told_what_embeds(url: str) -> None:
    server = TeiServer("embedding", Connections(url, "", 1.0), 5.0, EmbedderFailed)
    try:
        assert (await server.info()).is_of("embedding")
    finally:
        await server.aclose()


async def told_of_upstreams(url: str) -> None:
    async with GatewayClient(url, ServiceTokens(os.urandom(32))) as client:
        assert (await client.upstreams()).upstreams == []


@contextmanager
def gateway() -> Iterator[FakeServer]:
    with serving(lambda _fake, exchange: exchange.json({"upstreams": [], "aliases": []})) as fake:
        yield fake


@dataclass(frozen=True)
class Way:
    server: Callable[[], AbstractContextManager[FakeServer]]
    use: Use
    refused: type[GatewayError]


WAYS = {
    "chat": Way(openai_server, generating(CHAT), GenerationUnavailable),
    "raw prompt": Way(openai_server, generating(ChatRequest(prompt="Hello")), GenerationUnavailable),
    "health": Way(openai_server, generating(None), GenerationUnavailable),
    "TGI": Way(tgi_server, generating(CHAT, "tgi"), GenerationUnavailable),
    "TEI": Way(lambda: tei_server("embedding"), told_what_embeds, EmbedderFailed),
    "the gateway": Way(gateway, told_of_upstreams, GatewayUnavailable),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """A server's, for the name `localhost`."""
    return certificate(tmp_path, "localhost")[0]


@pytest.fixture
async def behind(way: Way, context: ssl.SSLContext) -> AsyncIterator[tuple[FakeServer, str]]:
    """The server that the way leads to, and its address."""
    with way.server() as fake:
        door = Door(fake.url, context)
        await door.open()
        yield fake, door.url
        door.slam()


@pytest.fixture
def trusted(tmp_path: Path, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / AUTHORITY_FILE))


@pytest.mark.usefixtures("trusted")
async def test_a_server_of_the_named_authority_is_used(way: Way, behind: tuple[FakeServer, str]) -> None:
    fake, url = behind

    await way.use(url)

    assert fake.received


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
async def test_another_authority_is_refused_before_anything_is_sent(
    way: Way, behind: tuple[FakeServer, str], scheme: str
) -> None:
    fake, url = behind

    with pytest.raises(way.refused):
        await way.use(url.replace("https", scheme))

    assert not fake.received


@pytest.mark.usefixtures("trusted")
async def test_another_name_is_refused_before_anything_is_sent(way: Way, behind: tuple[FakeServer, str]) -> None:
    fake, url = behind

    with pytest.raises(way.refused):
        await way.use(url.replace("localhost", "127.0.0.1"))

    assert not fake.received
