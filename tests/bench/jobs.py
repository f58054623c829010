"""Jobs through one worker process with eight threads, each job one INSERT: the product, Celery and bare Dramatiq.

All wait in Redis before the worker starts; the rate is that of the rows between the first and the last tenth. The product's
clock runs beside its worker. Product and peers take turns. Also alone: `python -m tests.bench.jobs`.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import redis
from rich.console import Console

from actors.relay import MARKER
from db import query
from db.unit_of_work import unit_of_work
from tests.bench.jobs_site import JobSite, job_site, wait_until
from tests.bench.jobs_worker import INSERT, THREADS, Work
from tests.bench.peer import PROGRAMS, environment
from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, spread
from tests.processes import Running, until

JOBS = 2000
ROUNDS = 3
AT_ONCE = 200
PEERS = ("celery", "dramatiq")
RATE = """SELECT count(*) / extract(epoch FROM max(at) - min(at))::float8 FROM (
              SELECT at, percent_rank() OVER (ORDER BY at) AS place FROM done) AS ranked WHERE place BETWEEN 0.1 AND 0.9"""
STOP_SECONDS = 30


def measure(_site: Site | None, console: Console) -> list[Figure]:
    """Return the rate against both peers."""
    pythons = {name: environment(name, console) for name in PEERS}
    with job_site() as site:
        systems: dict[str, Callable[[], float]] = {"lyceum": lambda: _ours(site)}
        for name in PEERS:
            systems[name] = lambda name=name: _theirs(site, name, pythons[name])  # type: ignore[misc]
        rates: dict[str, list[float]] = {name: [] for name in systems}
        for _ in range(ROUNDS):
            for name, system in systems.items():
                rates[name].append(system())
            console.print("  " + ", ".join(f"{name} {seen[-1]:.0f}/s" for name, seen in rates.items()))
    return [_figure(name, rates) for name in PEERS]


def _figure(peer: str, rates: dict[str, list[float]]) -> Figure:
    ratios = [ours / theirs for ours, theirs in zip(rates["lyceum"], rates[peer], strict=True)]
    return Figure(
        name=f"jobs/{peer}",
        value=median(rates["lyceum"]),
        unit="jobs/s",
        peer=peer,
        peer_value=median(rates[peer]),
        ratio=median(ratios),
        n=ROUNDS * JOBS,
        spread=spread(ratios),
        note=f"median of {ROUNDS} rounds' ratios; one process, {THREADS} threads, {JOBS} jobs of one INSERT a round",
    )


def _ours(site: JobSite) -> float:
    _empty(site)
    with _process(site, "clock"):
        asyncio.run(_ask(site))
        with _process(site, "bench_worker"):
            wait_until(JOBS, site.database)
            return asyncio.run(_rate(site))


@contextmanager
def _process(site: JobSite, name: str) -> Iterator[Running]:
    """Run a process of ours for the block; a clock knows the Redis that was emptied before the block begins."""
    running = site.start(name)
    try:
        if name == "clock":
            with redis.Redis.from_url(site.valkey.url(1)) as client:
                until(lambda: client.exists(MARKER) > 0, STOP_SECONDS)
        yield running
    finally:
        running.stop()


async def _ask(site: JobSite) -> None:
    async with site.opened():
        for first in range(0, JOBS, AT_ONCE):
            async with unit_of_work() as uow:
                for number in range(first, first + AT_ONCE):
                    await uow.enqueue(INSERT, Work(str(number)), subject=site.someone)
        while await query.fetch_value("SELECT count(*) FROM jobs WHERE pushed_at IS NOT NULL") < JOBS:
            await asyncio.sleep(0.05)


def _theirs(site: JobSite, name: str, python: Path) -> float:
    _empty(site)
    variables = {"DATABASE_URL": site.database.url, "BROKER_URL": site.valkey.url(2), "PYTHONDONTWRITEBYTECODE": "1"}
    settings = {"PATH": os.environ["PATH"], **variables}
    subprocess.run([python, f"{name}_jobs.py", str(JOBS)], cwd=PROGRAMS, env=settings, check=True)
    threads = str(THREADS)
    command = {
        "celery": ["-m", "celery", "-A", "celery_jobs", "worker", "--pool", "threads", "-c", threads, "-l", "warning"],
        "dramatiq": ["-m", "dramatiq", "dramatiq_jobs", "--processes", "1", "--threads", threads],
    }[name]
    with _running([str(python), *command], settings, site.folder / f"{name}.log"):
        wait_until(JOBS, site.database)
        return asyncio.run(_rate(site))


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=PROGRAMS, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _empty(site: JobSite) -> None:
    asyncio.run(_truncate(site))
    with redis.Redis.from_url(site.valkey.url(1)) as client:
        client.flushall()
    time.sleep(0.5)


async def _truncate(site: JobSite) -> None:
    connection = await asyncpg.connect(site.database.owner_url)
    await connection.execute("TRUNCATE done; TRUNCATE jobs CASCADE")
    await connection.close()


async def _rate(site: JobSite) -> float:
    connection = await asyncpg.connect(site.database.owner_url)
    try:
        return float(await connection.fetchval(RATE))
    finally:
        await connection.close()


if __name__ == "__main__":
    from tests.bench.report import show

    console = Console(width=200)
    show(measure(None, console), console)
