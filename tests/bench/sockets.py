"""500 WebSockets on one api process, each streaming an answer at the same time: drops, gaps, delay and memory."""

import asyncio
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.bench.library import ensure_document
from tests.bench.material import questions
from tests.bench.report import Figure
from tests.bench.site import Person, Site
from tests.bench.statistics import median, percentile, spread
from tests.bench.streaming import StreamingApi, streaming_api
from tests.bench.writer import SECONDS_PER_SENTENCE, SENTENCES

SOCKETS = 500
SOCKETS_PER_PERSON = 2
"""As many as a person may have open answers."""
ASKED_PER_SECOND = 15
"""So that the first answers last until the last question is asked, and questions come as fast as 500 people would ask."""
ANSWER_SECONDS = 120
SETTLE_SECONDS = 2
WARM_UP = 5
SEED = 23


@dataclass
class Conversation:
    """One socket and what came over it: frames with the moment each came (seconds of the monotonic clock)."""

    socket: ClientConnection
    question: str
    frames: list[tuple[float, str]] = field(default_factory=list)
    fault: str = ""

    async def converse(self) -> None:
        """Ask, and read to the end of the answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.socket.send(json.dumps({"type": "ask", "message": self.question}))
                async for text in self.socket:
                    self.frames.append((time.monotonic(), str(text)))
                    if '"type":"done"' in str(text) or '"type":"problem"' in str(text):
                        return
                self.fault = "closed"
        except TimeoutError:
            self.fault = "timed out"
        except ConnectionClosed as error:
            self.fault = f"closed with {error.rcvd.code if error.rcvd else 1006}"

    def events(self) -> list[tuple[float, dict[str, Any]]]:
        """Return the answer's events with their moments."""
        decoded = [(moment, json.loads(text)) for moment, text in self.frames]
        return [(moment, event) for moment, event in decoded if "seq" in event]

    def verdict(self) -> str:
        """Return what went wrong, '' for a whole answer whose numbers have no gap."""
        events = [event for _, event in self.events()]
        if self.fault or not events or events[-1]["type"] != "done":
            return self.fault or f"refused: {self._problem()}"
        if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
            return "gap"
        answer = events[-1]["answer"]
        return (
            ""
            if answer["verdict"] == "answered" and not answer["degraded"]
            else f"{answer['verdict']}, {answer['degraded']=}"
        )

    def _problem(self) -> str:
        found = [json.loads(text) for _, text in self.frames]
        return next((frame["problem"]["type"] for frame in found if frame["type"] == "problem"), "no end")


@dataclass(frozen=True)
class Memory:
    """Resident memory of the api process in MB: after a few answers, with silent sockets, while all stream (highest)."""

    idle: float
    connected: float
    streaming: float


def measure(site: Site, console: Console) -> list[Figure]:
    """Return whole answers, delay, memory per socket and of the process."""
    ensure_document(site, console)
    with tempfile.TemporaryDirectory() as folder, streaming_api(site, Path(folder)) as api:
        return asyncio.run(_measure(site, api, console))


async def _measure(site: Site, api: StreamingApi, console: Console) -> list[Figure]:
    asked = questions(SOCKETS + WARM_UP, SEED)
    learners = site.campus.learners
    for question, person in zip(asked[SOCKETS:], learners[-WARM_UP:], strict=True):
        (first,) = await _connect(api, [person], [question])
        await first.converse()
        await first.socket.close()
    await asyncio.sleep(SETTLE_SECONDS)
    idle = api.rss_mb
    people = [learners[i // SOCKETS_PER_PERSON] for i in range(SOCKETS)]
    conversations = await _connect(api, people, asked[:SOCKETS])
    await asyncio.sleep(SETTLE_SECONDS)
    connected = api.rss_mb
    watching = asyncio.create_task(_watch(api, conversations))
    await _converse(conversations)
    watching.cancel()
    streaming, at_once = await watching
    async with httpx.AsyncClient() as client:
        written = (await client.get(api.written_url, timeout=30)).json()
    await asyncio.gather(*(conversation.socket.close() for conversation in conversations))
    faults = [verdict for conversation in conversations if (verdict := conversation.verdict())]
    console.print(f"  faults: {sorted((fault, faults.count(fault)) for fault in set(faults))}")
    return _figures(conversations, faults, written, Memory(idle, connected, streaming), at_once)


async def _connect(api: StreamingApi, people: list[Person], asked: list[str]) -> list[Conversation]:
    url = f"{api.url.replace('http', 'ws')}/api/v1/chat/ws"
    conversations = []
    for person, question in zip(people, asked, strict=True):
        socket = await connect(url, compression=None, ping_interval=None, max_queue=None)
        await socket.send(json.dumps({"type": "auth", "token": person.token}))
        assert json.loads(await socket.recv()) == {"type": "ready"}
        conversations.append(Conversation(socket, question))
    return conversations


async def _converse(conversations: list[Conversation]) -> None:
    tasks = []
    started = time.monotonic()
    for number, conversation in enumerate(conversations):
        await asyncio.sleep(max(0.0, started + number / ASKED_PER_SECOND - time.monotonic()))
        tasks.append(asyncio.create_task(conversation.converse()))
    await asyncio.gather(*tasks)


async def _watch(api: StreamingApi, conversations: list[Conversation]) -> tuple[float, int]:
    """Return the highest resident memory and the most answers that streamed at once, when cancelled."""
    highest, most = 0.0, 0
    while True:
        highest = max(highest, api.rss_mb)
        streaming = sum(bool(each.frames) and '"type":"done"' not in each.frames[-1][1] for each in conversations)
        most = max(most, streaming)
        try:
            await asyncio.sleep(0.25)
        except asyncio.CancelledError:
            return highest, most


def _delays_ms(conversation: Conversation, written: dict[str, list[tuple[str, float]]]) -> list[float]:
    """Return for each sentence how long it took from certain at the generation server to the end of the socket."""
    came = [(moment, event["text"]) for moment, event in conversation.events() if event["type"] == "delta"]
    delays = []
    for sentence, moment in written.get(conversation.question, []):
        arrived = next((seen for seen, text in came if sentence in text), None)
        if arrived is not None:
            delays.append((arrived - moment) * 1000)
    return delays


def _figures(
    conversations: list[Conversation],
    faults: list[str],
    written: dict[str, list[tuple[str, float]]],
    memory: Memory,
    at_once: int,
) -> list[Figure]:
    delays = [delay for conversation in conversations for delay in _delays_ms(conversation, written)]
    events = sum(len(conversation.events()) for conversation in conversations)
    shown = f"{SENTENCES} sentences in {SENTENCES * SECONDS_PER_SENTENCE:.0f} s each"
    per_socket_kb = (memory.streaming - memory.idle) / SOCKETS * 1000
    silent_kb = (memory.connected - memory.idle) / SOCKETS * 1000
    return [
        Figure(
            name="ws_500",
            value=SOCKETS - len(faults),
            unit="whole answers",
            n=events,
            note=f"of {SOCKETS} sockets, numbered without a gap; {shown}; at most {at_once} streamed at once",
        ),
        Figure(
            name="ws_event_delay",
            value=percentile(delays, 99),
            unit="ms",
            n=len(delays),
            spread=spread(delays),
            note=f"p99 from the generation server through gateway and check to the socket's end; p50 {median(delays):.1f} ms",
        ),
        Figure(
            name="ws_memory",
            value=per_socket_kb,
            unit="kB/socket",
            n=SOCKETS,
            note=f"with an answer streaming, all its state included; {silent_kb:.0f} kB signed in and silent",
        ),
        Figure(
            name="api_rss",
            value=memory.streaming,
            unit="MB",
            note=f"highest while {SOCKETS} answers stream; {memory.idle:.0f} MB idle,"
            f" {memory.connected:.0f} MB with silent sockets",
        ),
    ]
