"""SIGTERM to an api process under load: whoever it serves gets a whole answer there or goes on at another process."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.processes import PATIENCE_SECONDS
from tests.servers import Database, RunningValkey
from tests.tutoring import Replica, Replicas, replicas
from tests.vectors import RunningVectors

CLIENTS = 50
PAUSE_SECONDS = 0.1
QUESTION = "How many genes does a mitochondrion hold?"
SECONDS_PER_PIECE = 0.6
UPLOAD_SECONDS = 4.0
LOAD_SECONDS = 20.0
STOPPED_WITHIN_SECONDS = 30
RESTARTING = 1012

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def model() -> Iterator[FakeServer]:
    with openai_server() as fake:
        yield fake


@pytest.fixture
def two(
    tmp_path_factory: pytest.TempPathFactory,
    database: Database,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
    model: FakeServer,
) -> Iterator[tuple[Replicas, Replica, Replica]]:
    """A process that is told to stop, and another."""
    folder = tmp_path_factory.mktemp("drain")
    addresses = (valkey_server.url(32), valkey_server.url(33), vector_server.url)
    with replicas(folder, database, *addresses, model) as running:
        yield running, running.start(), running.start()


@dataclass
class Load:
    """Clients on kept connections; each leaves a process when an answer says that the connection closes."""

    first: str
    second: str
    token: str
    answered: int = 0
    moved: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self, until: asyncio.Event) -> None:
        address = self.first
        while not until.is_set():
            async with client_of(address) as client:
                address = await self._ask_until_told_to_leave(client, until)

    async def _ask_until_told_to_leave(self, client: httpx.AsyncClient, until: asyncio.Event) -> str:
        while not until.is_set():
            try:
                response = await client.get("/api/v1/me", headers={"authorization": f"Bearer {self.token}"})
            except httpx.TransportError as error:
                self.failures.append(f"{client.base_url}: {error!r}")
                return self.second
            if response.status_code not in (httpx.codes.OK, httpx.codes.TOO_MANY_REQUESTS):
                self.failures.append(f"{response.status_code}: {response.text}")
            self.answered += 1
            if response.headers.get("connection") == "close":
                self.moved += 1
                return self.second
            await asyncio.sleep(PAUSE_SECONDS)
        return str(client.base_url)


def client_of(url: str, **headers: str) -> httpx.AsyncClient:
    """A client without the tenth of a second that certificates cost."""
    return httpx.AsyncClient(base_url=url, timeout=60, headers=headers, verify=False)


async def events_by_stream(first: Replica, second: Replica, person: str, events: Events) -> int:
    """Ask for events, and go on at the second process where the first ends them; return in how many parts they came."""
    headers = {"authorization": f"Bearer {first.school.tokens[person]}", "accept": "text/event-stream"}
    async with (
        client_of(first.url, **headers) as client,
        client.stream("POST", "/api/v1/chat", json={"message": QUESTION}) as response,
    ):
        location = response.headers["location"]
        await read_stream(response, events)
    parts = 1
    while not events or events[-1]["type"] != "done":
        parts += 1
        async with (
            client_of(second.url, **headers) as client,
            client.stream("GET", location, headers={"last-event-id": str(len(events))}) as response,
        ):
            await read_stream(response, events)
    return parts


async def read_stream(response: httpx.Response, events: Events) -> None:
    assert response.status_code == 200
    async for line in response.aiter_lines():
        events += [json.loads(line[5:])] if line.startswith("data:") else []


async def events_by_socket(first: Replica, second: Replica, person: str, events: Events) -> int | None:
    """Ask over a socket, and resume at the second process; return the first socket's close code."""
    async with first.socket(person) as socket:
        await socket.send(json.dumps({"type": "ask", "message": QUESTION}))
        code = await read_socket(socket, events)
    if events[-1]["type"] == "done":
        return code
    async with second.socket(person) as socket:
        resume = {"type": "resume", "message_id": events[0]["message_id"], "after": events[-1]["seq"]}
        await socket.send(json.dumps(resume))
        await read_socket(socket, events)
    return code


async def read_socket(socket: Any, events: Events) -> int | None:
    """Read to the end of the answer or of the socket; return the close code it came with."""
    try:
        while not events or events[-1]["type"] != "done":
            frame = json.loads(await socket.recv())
            if frame["type"] != "heartbeat":
                events.append(frame)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
    return None


async def upload_slowly(replica: Replica) -> httpx.Response:
    """Send a file in pieces over four seconds."""
    boundary = "a-boundary-of-this-test"

    async def pieces() -> AsyncIterator[bytes]:
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="course_id"\r\n\r\n{replica.school.biology}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="slow.md"\r\n\r\n# Slow\n\n'
        ).encode()
        for number in range(20):
            await asyncio.sleep(UPLOAD_SECONDS / 20)
            yield f"Line {number} of a file that takes its time.\n".encode()
        yield f"\r\n--{boundary}--\r\n".encode()

    headers = {
        "authorization": f"Bearer {replica.school.tokens['lecturer']}",
        "content-type": f"multipart/form-data; boundary={boundary}",
    }
    async with client_of(replica.url, **headers) as client:
        return await client.post("/api/v1/documents", content=pieces())


async def ask_for_json(replica: Replica) -> httpx.Response:
    headers = {"authorization": f"Bearer {replica.school.tokens['administrator']}"}
    async with client_of(replica.url, **headers) as client:
        return await client.post("/api/v1/chat", json={"message": QUESTION})


async def test_a_stop_under_load_loses_nothing(two: tuple[Replicas, Replica, Replica]) -> None:
    running, first, second = two
    running.fake.seconds_per_piece = SECONDS_PER_PIECE
    load = Load(first.url, second.url, first.school.tokens["idle"])
    over = asyncio.Event()
    clients = [asyncio.create_task(load.run(over)) for _ in range(CLIENTS)]
    streamed: dict[str, Events] = {"student": [], "lecturer": []}
    pushed: dict[str, Events] = {"student": [], "lecturer": []}
    await load_runs(load)
    streams = [asyncio.create_task(events_by_stream(first, second, *item)) for item in streamed.items()]
    sockets = [asyncio.create_task(events_by_socket(first, second, *item)) for item in pushed.items()]
    answer = asyncio.create_task(ask_for_json(first))
    upload = asyncio.create_task(upload_slowly(first))
    while not all([*streamed.values(), *pushed.values()]):
        await asyncio.sleep(0.02)
    before = load.answered
    first.running.process.send_signal(signal.SIGTERM)
    asked_at = time.monotonic()
    stopped = await asyncio.to_thread(first.running.wait, STOPPED_WITHIN_SECONDS)
    seconds = time.monotonic() - asked_at
    await asyncio.sleep(0.5)
    over.set()
    await asyncio.gather(*clients)
    print(
        f"answered before the signal {before}, in all {load.answered}, moved {load.moved}; ended after {seconds:.1f} s"
    )

    assert load.failures == []
    assert load.moved == CLIENTS
    assert (await upload).status_code == 202
    assert (await answer).status_code == 200
    assert min(await asyncio.gather(*streams)) > 1
    assert set(await asyncio.gather(*sockets)) == {RESTARTING}
    for events in (*streamed.values(), *pushed.values()):
        check_whole(events)
    assert stopped
    assert first.running.process.returncode == 0


async def load_runs(load: Load) -> None:
    """Wait until the clients have their connections."""
    async with asyncio.timeout(LOAD_SECONDS):
        while load.answered < 3 * CLIENTS:
            await asyncio.sleep(0.05)


def check_whole(events: Events) -> None:
    """No event is missing or comes twice, and the pieces are the answer."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    done = events[-1]["answer"]
    assert "".join(event["text"] for event in events if event["type"] == "delta") == done["answer"]
    assert (done["verdict"], done["degraded"]) == ("answered", False)
    assert not [event for event in events if event["type"] == "problem"]


async def test_a_process_that_stops_says_so_and_still_serves(two: tuple[Replicas, Replica, Replica]) -> None:
    _, first, second = two
    headers = {"authorization": f"Bearer {first.school.tokens['student']}"}
    async with httpx.AsyncClient(base_url=first.url, timeout=20) as client:
        assert (await client.get("/health/ready")).json()["status"] in ("ready", "degraded")
        first.running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (ready := await client.get("/health/ready")).status_code == 200:
                await asyncio.sleep(0.02)
        assert (ready.status_code, ready.json()["status"], ready.headers["retry-after"]) == (503, "draining", "5")
        served = await client.get("/api/v1/me", headers=headers)
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        async with connect(f"{first.url.replace('http', 'ws')}/api/v1/chat/ws") as socket:
            await socket.send(json.dumps({"type": "auth", "token": first.school.tokens["student"]}))
            assert await read_socket(socket, []) == RESTARTING
    assert await asyncio.to_thread(first.running.wait, STOPPED_WITHIN_SECONDS)
    assert first.running.process.returncode == 0
    assert httpx.get(f"{second.url}/api/v1/me", headers=headers, timeout=20).status_code == 200
