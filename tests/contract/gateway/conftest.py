"""Both upstreams, each in front of its fake; and the gateway itself behind a real socket."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from inference_gateway.client import GatewayClient
from inference_gateway.upstreams.choose import upstream_from
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.protocol import Upstream
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceTokens
from tests.fakes import fixtures
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server
from tests.gateways import RunningGateway, running_gateway

DEADLINES = Deadlines(connect_seconds=1.0, first_seconds=1.2, between_seconds=1.2)
PATIENT = Deadlines(connect_seconds=20.0, first_seconds=20.0, between_seconds=20.0)
"""Where nothing is meant to be late, however much else the machine does."""

API_KEY = "key-of-the-upstream"

fake_openai = fixtures.fake_openai


@dataclass(frozen=True)
class Pair:
    """An upstream and the server it speaks to."""

    upstream: Upstream
    fake: FakeServer
    settings: Settings


@pytest.fixture(params=["openai", "tgi"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """One upstream implementation after the other."""
    with openai_server() if request.param == "openai" else tgi_server() as fake:
        settings = Settings(
            generation_url=fake.url,
            generation_api=request.param,
            generation_model="tutor",
            generation_api_key=API_KEY,
        )
        upstream = upstream_from(settings, DEADLINES)
        assert upstream is not None
        yield Pair(upstream, fake, settings)
        await upstream.close()


@pytest.fixture
def gateway(fake_openai: FakeServer) -> Iterator[RunningGateway]:
    """A gateway with a quick encoder and a fake OpenAI-compatible server behind it."""
    with running_gateway(generation_url=fake_openai.url, deadlines=DEADLINES) as running:
        yield running


@pytest.fixture
def lonely_gateway() -> Iterator[RunningGateway]:
    """A gateway without a generation server."""
    with running_gateway() as running:
        yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[GatewayClient]:
    """Our own client of `gateway`."""
    async with GatewayClient(gateway.url, ServiceTokens(gateway.key)) as connected:
        yield connected
