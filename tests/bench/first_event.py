"""From `POST /chat` to the first words of the answer, for questions asked before by somebody else and for new ones."""

import asyncio
import time

import httpx
from rich.console import Console

from tests.bench.client import api_client
from tests.bench.library import ensure_document
from tests.bench.material import questions
from tests.bench.report import Figure
from tests.bench.site import Person, Site
from tests.bench.statistics import median, percentile, spread

QUESTIONS = 100
WARM_UP = 10
SEED = 11


def measure(site: Site, console: Console) -> list[Figure]:
    """Return both figures."""
    ensure_document(site, console)
    misses, hits = asyncio.run(_measure(site))
    return [_figure("first_event_hit", hits), _figure("first_event_miss", misses)]


async def _measure(site: Site) -> tuple[list[float], list[float]]:
    asked = questions(QUESTIONS + WARM_UP, SEED)
    async with api_client(site) as client:
        for question in asked[QUESTIONS:]:
            await _first_delta_ms(client, site.next_person(), question)
        misses = [await _first_delta_ms(client, site.next_person(), question) for question in asked[:QUESTIONS]]
        hits = [await _first_delta_ms(client, site.next_person(), question) for question in asked[:QUESTIONS]]
    return misses, hits


async def _first_delta_ms(client: httpx.AsyncClient, person: Person, question: str) -> float:
    headers = {**person.headers, "Accept": "text/event-stream"}
    took_ms = 0.0
    started = time.perf_counter()
    async with client.stream("POST", "/chat", headers=headers, json={"message": question}) as reply:
        assert reply.status_code == httpx.codes.OK, reply.status_code
        async for line in reply.aiter_lines():
            if line == "event: delta" and not took_ms:
                took_ms = (time.perf_counter() - started) * 1000
            assert line != "event: problem", question
    assert took_ms, question
    return took_ms


def _figure(name: str, values: list[float]) -> Figure:
    note = f"p50; p99 {percentile(values, 99):.1f} ms; a quoted answer, to its first words"
    return Figure(name=name, value=median(values), unit="ms", n=len(values), spread=spread(values), note=note)
