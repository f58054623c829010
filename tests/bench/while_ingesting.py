"""What readers feel while 71-page PDFs are being read: search p95, and `GET /courses` p99 against the same when idle."""

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from tests.bench.client import api_client, search, upload, wait_until_ready, warm
from tests.bench.courses_list import PATH
from tests.bench.library import ensure_document
from tests.bench.material import make_pdf, questions
from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, percentile, spread
from tests.bench.steady import SteadyRequests

ROUNDS = 3
COURSES_PER_SECOND = 50
SEARCHES_PER_SECOND = 4
IDLE_SECONDS = 10
FIRST_SEED = 200
QUESTIONS = 1000


def measure(site: Site, console: Console) -> list[Figure]:
    """Return both figures; idle and busy take turns."""
    ensure_document(site, console)
    with tempfile.TemporaryDirectory() as folder:
        files = [make_pdf(Path(folder), FIRST_SEED + number) for number in range(ROUNDS)]
        return asyncio.run(_measure(site, files, console))


async def _measure(site: Site, files: list[Path], console: Console) -> list[Figure]:
    asked = iter(questions(QUESTIONS, FIRST_SEED))
    idle: list[list[float]] = []
    busy: list[list[float]] = []
    searches: list[float] = []
    calm: list[float] = []
    async with api_client(site) as client:
        await warm(client, site, list(itertools.islice(asked, 10)))
        for file in files:
            async with SteadyRequests(site, PATH, COURSES_PER_SECOND) as courses:
                calm += await _search_until(site, asked, asyncio.create_task(asyncio.sleep(IDLE_SECONDS)))
            idle.append(courses.took_ms)
            async with SteadyRequests(site, PATH, COURSES_PER_SECOND) as courses:
                searches += await _search_until(site, asked, asyncio.create_task(_ingest(site, file)))
            busy.append(courses.took_ms)
            console.print(
                f"  p99 of GET /courses: idle {percentile(idle[-1], 99):.1f} ms, busy {percentile(busy[-1], 99):.1f} ms"
            )
    return [_search_figure(searches, calm), _courses_figure(idle, busy)]


async def _ingest(site: Site, file: Path) -> None:
    person = site.campus.lecturer
    async with api_client(site) as client:
        document_id = await upload(client, person, site.campus.course_ids[1], file)
        await wait_until_ready(client, person, document_id)


async def _search_until(site: Site, asked: Iterator[str], ends: "asyncio.Task[None]") -> list[float]:
    """Search at a steady rate until the task has ended; return the milliseconds each took."""
    running: list[asyncio.Task[float]] = []
    async with api_client(site) as client:
        while not ends.done():
            running.append(asyncio.create_task(search(client, site.next_person(), next(asked))))
            await asyncio.wait({ends}, timeout=1 / SEARCHES_PER_SECOND)
        await ends
        return await asyncio.gather(*running)


def _search_figure(searches: list[float], calm: list[float]) -> Figure:
    return Figure(
        name="search_while_ingesting_p95",
        value=percentile(searches, 95),
        unit="ms",
        n=len(searches),
        spread=spread(searches),
        note=f"{SEARCHES_PER_SECOND} searches/s; p50 {median(searches):.1f} ms;"
        f" idle p50 {median(calm):.1f} ms, p95 {percentile(calm, 95):.1f} ms",
    )


def _courses_figure(idle: list[list[float]], busy: list[list[float]]) -> Figure:
    ratios = [percentile(b, 99) / percentile(i, 99) for i, b in zip(idle, busy, strict=True)]
    together = [value for values in busy for value in values]
    return Figure(
        name="courses_while_ingesting_p99",
        value=median([percentile(values, 99) for values in busy]),
        unit="ms",
        peer="the same, idle",
        peer_value=median([percentile(values, 99) for values in idle]),
        ratio=median(ratios),
        n=len(together),
        spread=spread(ratios),
        note=f"{COURSES_PER_SECOND} requests/s and {SEARCHES_PER_SECOND} searches/s in both; p50 {median(together):.1f} ms;"
        " median of the rounds' ratios",
    )
