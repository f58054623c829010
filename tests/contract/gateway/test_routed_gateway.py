"""A gateway with a routing file, through its own socket: fallback under load, admin, who leaves, how it stops."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference_gateway.contract import ADMIN_PURPOSE, GENERATE_PURPOSE
from inference_gateway.upstreams.deadlines import Deadlines
from tests.fakes.door import Door
from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.gateways import RunningGateway, running_gateway
from tests.processes import PATIENCE_SECONDS, eventually

DEADLINES = Deadlines(connect_seconds=1.0, first_seconds=4.0, between_seconds=2.0)
CHAT = {"messages": [{"role": "user", "content": "[1] Water boils at 100 degrees.\n\nQuestion: When?"}]}
ANSWER = "Water boils at 100 degrees [1]."
CONNECTIONS = 8
LOAD_SECONDS = 3.0
KILLED_AT, BACK_AT = 0.7, 1.4
ENOUGH = 100
"""Requests that are a load."""


@dataclass(frozen=True)
class House:
    """A gateway before two servers, the first of them behind a door."""

    gateway: RunningGateway
    door: Door
    primary: FakeServer
    spare: FakeServer

    def headers(self, purpose: str = GENERATE_PURPOSE) -> dict[str, str]:
        return self.gateway.headers(purpose)


@pytest.fixture
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    with openai_server() as primary, openai_server() as spare:
        yield primary, spare


@pytest.fixture
async def house(servers: tuple[FakeServer, FakeServer], tmp_path: Path) -> AsyncIterator[House]:
    primary, spare = servers
    door = Door(primary.url)
    await door.open()
    routes = tmp_path / "routes.toml"
    routes.write_text(
        f"""
        [upstreams.primary]
        address = "{door.url}"
        [upstreams.spare]
        address = "{spare.url}"
        [aliases]
        "tutor@stable" = ["primary", "spare"]
        """
    )
    with running_gateway(routes=routes, deadlines=DEADLINES, permits=64) as gateway:
        yield House(gateway, door, primary, spare)
    door.slam()


async def load(house: House, body: dict[str, Any], over: asyncio.Event) -> list[tuple[int, str, str]]:
    """Ask again and again until it is over; return status, whether degraded, and what came."""
    seen = []
    async with httpx.AsyncClient(base_url=house.gateway.url, timeout=10) as http:
        while not over.is_set():
            seen.append(await asked(http, house, body))
    return seen


async def asked(http: httpx.AsyncClient, house: House, body: dict[str, Any]) -> tuple[int, str, str]:
    """Ask once."""
    reply = await http.post("/v1/chat/completions", json=body, headers=house.headers())
    return reply.status_code, reply.headers.get("x-lyceum-degraded", ""), reply.text


@pytest.mark.parametrize("stream", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_killing_the_primary_under_load_gives_no_5xx_and_it_comes_back(house: House, stream: bool) -> None:
    house.primary.seconds_per_piece = house.spare.seconds_per_piece = 0.002
    body, over = {**CHAT, "stream": stream}, asyncio.Event()
    asking = [asyncio.create_task(load(house, body, over)) for _ in range(CONNECTIONS)]

    await asyncio.sleep(KILLED_AT)
    house.door.slam()
    await asyncio.sleep(BACK_AT - KILLED_AT)
    await eventually(lambda: len(house.spare.received) > 20)
    before = len(house.primary.received)
    await house.door.open()
    await asyncio.sleep(LOAD_SECONDS - BACK_AT)
    await eventually(lambda: len(house.primary.received) > before + ENOUGH)
    over.set()
    seen = [one for answers in await asyncio.gather(*asking) for one in answers]

    statuses = Counter(status for status, _, _ in seen)
    assert set(statuses) == {200}, statuses
    assert len(seen) > ENOUGH
    broken = [text for _, _, text in seen if '"error"' in text]
    assert len(broken) <= (CONNECTIONS if stream else 0), "only what flowed when the primary died"
    assert {degraded for _, degraded, _ in seen} == {"true", "false"}
    assert house.primary.received[-1].path == "/v1/chat/completions"
    async with httpx.AsyncClient(base_url=house.gateway.url) as http:
        last = [await asked(http, house, body) for _ in range(5)]
    assert {degraded for _, degraded, _ in last} == {"false"}, "the primary answers again"


async def test_operators_see_and_drain_upstreams(house: House) -> None:
    async with httpx.AsyncClient(base_url=house.gateway.url, headers=house.headers(ADMIN_PURPOSE)) as admin:
        listing = (await admin.get("/admin/upstreams")).json()
        assert [one["name"] for one in listing["upstreams"]] == ["primary", "spare"]
        assert listing["upstreams"][0]["breaker"] == "closed"
        assert listing["aliases"] == [{"name": "tutor@stable", "stages": [["primary"], ["spare"]]}]
        assert "127.0.0.1" not in str(listing)

        drained = await admin.post("/admin/upstreams/primary/drain")
        assert drained.json()["draining"] is True
        status, degraded, _ = await asked(admin, house, CHAT)
        assert (status, degraded, house.primary.received) == (200, "true", [])

        assert (await admin.post("/admin/upstreams/primary/resume")).json()["draining"] is False
        await asked(admin, house, CHAT)
        assert house.primary.received

        unknown = await admin.post("/admin/upstreams/other/drain")
        assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/upstream-not-found")


@pytest.mark.parametrize("purpose", ["", GENERATE_PURPOSE, "embed", "metrics"])
async def test_no_other_token_opens_admin(house: House, purpose: str) -> None:
    headers = house.headers(purpose) if purpose else {}
    async with httpx.AsyncClient(base_url=house.gateway.url, headers=headers) as http:
        replies = [await http.get("/admin/upstreams"), await http.post("/admin/upstreams/primary/drain")]

    assert [reply.status_code for reply in replies] == [401, 401]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("behaviour", ["slow_headers", "stall"])
async def test_a_client_that_leaves_takes_the_upstream_with_it_within_100_ms(
    house: House, stream: bool, behaviour: Any
) -> None:
    house.primary.behave(behaviour)
    body = {**CHAT, "stream": stream}
    waits = behaviour == "slow_headers" or not stream
    async with httpx.AsyncClient(base_url=house.gateway.url, timeout=10) as http:
        asking = asyncio.create_task(_read_some(http, body, house.headers()))
        await eventually(lambda: bool(house.primary.generations()))
        done, _ = await asyncio.wait({asking}, timeout=0.1 if waits else PATIENCE_SECONDS)
        assert bool(done) is not waits
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    left_at = time.monotonic()
    await eventually(lambda: bool(house.primary.disconnects), why="the generation goes on")

    assert house.primary.disconnects[0] - left_at < 0.1


async def _read_some(http: httpx.AsyncClient, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Read until the first pieces have come, and hold the connection no longer than the client lives."""
    request = http.build_request("POST", "/v1/chat/completions", json=body, headers=headers)
    response = await http.send(request, stream=True)
    async for data in response.aiter_bytes():
        if b"Water" in data:
            return
