"""From kill -9 of a worker to the next start of its jobs, with the product's own leases: two workers and the clock.

Also alone: `python -m tests.bench.jobs_recovery`.
"""

import asyncio
import time

from rich.console import Console

from db import query
from db.unit_of_work import unit_of_work
from tests.bench.jobs_site import JobSite, job_site
from tests.bench.jobs_worker import WAIT, Work
from tests.bench.report import Figure, show
from tests.bench.site import Site
from tests.bench.statistics import median, spread
from tests.processes import Running

KILLS = 10
JOBS = 4
AGAIN_SECONDS = 60
RUNNING = "SELECT count(*) FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE j.state = 'running' AND w.pid = $1"
AGAIN = """SELECT extract(epoch FROM next.started_at)::float8 - $1 FROM job_attempts lost
           JOIN job_attempts next ON next.job_id = lost.job_id AND next.attempt = lost.attempt + 1
           WHERE lost.outcome = 'lost' AND extract(epoch FROM lost.finished_at) >= $1"""


def measure(_site: Site | None, console: Console) -> list[Figure]:
    """Return the worst time, with the median in the note."""
    with job_site() as site:
        seconds = asyncio.run(_kill_again_and_again(site, console))
    return [
        Figure(
            name="recovery_worst",
            value=max(seconds),
            unit="s",
            n=len(seconds),
            spread=spread(seconds),
            note=f"{KILLS} kills; median {median(seconds):.2f} s; with the product's leases of 15 s",
        )
    ]


async def _kill_again_and_again(site: JobSite, console: Console) -> list[float]:
    clock = site.start("clock")
    workers = [site.start("bench_worker") for _ in range(2)]
    seconds: list[float] = []
    try:
        async with site.opened():
            for number in range(KILLS):
                async with unit_of_work() as uow:
                    for job in range(JOBS):
                        await uow.enqueue(WAIT, Work(f"{number}-{job}"), subject=site.someone)
                victim = await _busy(workers)
                held: int = await query.fetch_value(RUNNING, workers[victim].process.pid)
                killed_at = time.time()
                workers[victim].kill()
                seconds += await _again(killed_at, held)
                workers[victim] = await asyncio.to_thread(site.start, "bench_worker")
            console.print(f"  {len(seconds)} jobs were interrupted by {KILLS} kills")
    finally:
        for process in (*workers, clock):
            process.stop()
    return seconds


async def _busy(workers: list[Running]) -> int:
    """Wait until one of the workers has a job, and return its place."""
    async with asyncio.timeout(AGAIN_SECONDS):
        while True:
            for place, worker in enumerate(workers):
                if await query.fetch_value(RUNNING, worker.process.pid):
                    return place
            await asyncio.sleep(0.05)


async def _again(killed_at: float, held: int) -> list[float]:
    """Wait until as many jobs run again as were held."""
    async with asyncio.timeout(AGAIN_SECONDS):
        while len(found := await query.fetch_values(AGAIN, killed_at)) < held:
            await asyncio.sleep(0.1)
    return [float(each) for each in found]


if __name__ == "__main__":
    console = Console(width=200)
    show(measure(None, console), console)
