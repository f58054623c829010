"""Each fault of a TEI server: what the caller gets, what the breaker says, how it recovers; and the page that says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from inference_gateway.errors import EmbedderFailed, GatewayError, ModelLoading, RerankingUnavailable
from inference_gateway.routing.breaker import Rules
from inference_gateway.upstreams.tei import TeiEmbedder, TeiReranker
from inference_gateway.upstreams.tei_server import TeiServer
from inference_gateway.upstreams.transport import Connections
from tests.fakes.behaviours import Behaviour
from tests.fakes.door import Door
from tests.fakes.server import FakeServer
from tests.fakes.tei_server import tei_server

PAGE = Path(__file__).parents[3] / "ops" / "runbooks" / "encoders.md"
RULES = Rules(open_seconds=0.6, jitter=0.0)
PATIENCE_SECONDS = 0.8

FAULTS: dict[str, Behaviour | None] = {
    "connection refused": None,
    "503": "not_ready",
    "424, the model failed": "failing",
    "429 with Retry-After": "overloaded",
    "request refused (413)": "too_long",
    "broken JSON": "broken_json",
    "no numbers": "not_text",
    "cut before the head": "cut_first",
    "cut after the head": "cut",
    "no head of an answer": "slow_headers",
    "silence after the head": "stall",
}


def rows() -> dict[str, list[str]]:
    """The page's table of faults: the cells after the first, by the first."""
    table = PAGE.read_text().partition("| fault |")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


@dataclass(frozen=True)
class Stage:
    """A server that can fail, behind a door, and a question to it."""

    fake: FakeServer
    door: Door
    server: TeiServer
    ask: Callable[[], Awaitable[object]]
    column: int

    async def outcome(self) -> str:
        """Ask, and return the status and name of what came."""
        try:
            await self.ask()
        except GatewayError as error:
            return f"{error.status} `{error.code}`"
        return "200"

    async def fail(self, behaviour: Behaviour | None) -> None:
        if behaviour is None:
            self.door.slam()
        else:
            self.fake.always(behaviour)

    async def heal(self) -> None:
        self.door.slam()
        await self.door.open()
        self.fake.always("right")


@pytest.fixture(params=["embedding", pytest.param("reranker", marks=pytest.mark.long)])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    kind: Literal["embedding", "reranker"] = request.param
    with tei_server(kind) as fake:
        door = Door(fake.url)
        await door.open()
        unavailable: type[GatewayError] = EmbedderFailed if kind == "embedding" else RerankingUnavailable
        server = TeiServer(kind, Connections(door.url, "", 1.0), PATIENCE_SECONDS, unavailable, RULES)
        if kind == "embedding":
            embedder = TeiEmbedder(server)
            embedder.start()
            await until_told(embedder)
            yield Stage(fake, door, server, lambda: embedder.embed(["red"], "query"), 0)
        else:
            reranker = TeiReranker(server)
            await reranker.check()
            yield Stage(fake, door, server, lambda: reranker.scores("red", ["red"]), 1)
        await server.aclose()
        door.slam()


async def until_told(embedder: TeiEmbedder) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                embedder.info()
            except ModelLoading:
                await asyncio.sleep(0.01)
            else:
                return


def test_the_page_and_the_faults_name_the_same() -> None:
    assert list(rows()) == list(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_gives_what_the_page_says_and_heals_as_it_says(stage: Stage, fault: str) -> None:
    told = rows()[fault]
    await stage.fail(FAULTS[fault])

    assert [await stage.outcome() for _ in range(3)] == [told[stage.column]] * 3
    assert stage.server.breaker.state == told[2]

    await stage.heal()
    if told[2] == "open":
        before = len(stage.fake.received)
        assert await stage.outcome() == rows()["503"][stage.column]
        assert len(stage.fake.received) == before
        await asyncio.sleep(1.2 * RULES.open_seconds)
    assert await stage.outcome() == "200"
    assert stage.server.breaker.state == "closed"
