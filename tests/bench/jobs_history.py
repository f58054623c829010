"""A table of a million ended jobs against an empty one: pages of the history, claims, and what asking for a job costs.

The pages are those of operators, read by the service; claims and enqueues alternate between the two databases. Also alone:
`python -m tests.bench.jobs_history`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from rich.console import Console

from db import query
from db.engine import close_database, open_pool
from db.repositories import claims, job_search
from db.repositories.claim_batches import claim_plain
from db.repositories.job_search import Wanted
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from tests.bench.jobs_plans import Explainer, Plan
from tests.bench.jobs_site import JobSite, furnish, job_site
from tests.bench.jobs_worker import INSERT, Work
from tests.bench.report import Figure, show
from tests.bench.site import Site
from tests.bench.statistics import median, percentile, spread
from tests.integration.jobs.conftest import Someone
from tests.servers import Database

ROWS = 1_000_000
PAGES = 60
LIMIT = 51
ROUNDS = 5
OPERATIONS = 200
DEEP = 5000
CLAIMS = ("choice", "claim", "claim of 16")
# One in a hundred is dead, one in fifty cancelled; ten kinds; a thousand things that jobs are about; five jobs to a request.
FILL = """INSERT INTO jobs (id, tenant_id, kind, queue, priority, args, subject_id, state, attempt, max_attempts, last_event,
              time_limit_seconds, concurrency_per_tenant, concurrency_per_key, expires_at, request_id, traceparent, error,
              pushed_at, created_at, started_at, finished_at)
          SELECT uuidv7(age), $1, 'kind.' || n % 10, (ARRAY['ingest', 'exams', 'models', 'notify', 'default'])[n % 5 + 1], 0,
              '{}', md5((n % 1000)::text)::uuid,
              CASE WHEN n % 100 = 0 THEN 'dead' WHEN n % 50 = 1 THEN 'cancelled' ELSE 'succeeded' END, 1, 3, 2, 60, 8, 1,
              now() + age + interval '1 day', 'request-' || n / 5, '',
              CASE WHEN n % 100 = 0 THEN '{"type": "broken", "detail": ""}'::jsonb END,
              now() + age, now() + age, now() + age, now() + age + interval '1 second'
          FROM (SELECT n, (n - $2) * interval '2 seconds' AS age FROM generate_series(1, $2::int) AS n) AS numbered"""
SUBJECT = "SELECT md5('7')::uuid"

Act = Callable[[], Awaitable[None]]


def measure(_site: Site | None, console: Console) -> list[Figure]:
    """Return the slowest of the pages, both ratios, and the latency of asking."""
    with job_site() as site:
        empty = site.postgres.create_database()
        asyncio.run(furnish(empty, site.someone))
        started = time.perf_counter()
        asyncio.run(fill(site.database, site.someone))
        console.print(f"  {ROWS} rows written in {time.perf_counter() - started:.0f} s")
        pages = asyncio.run(_pages(site))
        taken = asyncio.run(_both(site, empty))
        plans = asyncio.run(_plans(site))
        console.print("  " + ", ".join(f"{name} {p95:.1f} ms" for name, p95 in pages.items()))
        console.print("\n".join(f"  {plan}" for plan in plans))
    slowest = max(pages, key=lambda name: pages[name])
    return [
        Figure(
            name="jobs_history_p95",
            value=pages[slowest],
            unit="ms",
            n=PAGES * len(pages),
            spread=spread(list(pages.values())),
            note=f"the slowest of {', '.join(pages)} is {slowest}; {ROWS} rows, {LIMIT - 1} a page",
        ),
        *(_looked_at(name, plans) for name in ("history", "claims")),
        *(_ratio(name, *taken[name]) for name in ("claim", "enqueue")),
        *_latencies(taken["enqueue"][0]),
    ]


def _looked_at(what: str, plans: Sequence[Plan]) -> Figure:
    named = [plan for plan in plans if (plan.act in CLAIMS) is (what == "claims")]
    most = max(named, key=lambda plan: plan.pages)
    return Figure(
        name=f"jobs_{what}_pages",
        value=most.pages,
        unit="pages",
        n=len(named),
        note=f"of 8 KiB that the statement with the most looks at: {most}; {ROWS} rows",
    )


def _ratio(name: str, full: list[list[float]], empty: list[list[float]]) -> Figure:
    ratios = [median(one) / median(other) for one, other in zip(full, empty, strict=True)]
    return Figure(
        name=f"{name}/empty_table",
        value=median([median(each) for each in full]),
        unit="ms",
        peer="an empty table",
        peer_value=median([median(each) for each in empty]),
        ratio=median(ratios),
        n=ROUNDS * OPERATIONS,
        spread=spread(ratios),
        note=f"{ROWS} rows; median of {ROUNDS} rounds' ratios of medians",
    )


def _latencies(rounds: list[list[float]]) -> list[Figure]:
    seen = [each for one in rounds for each in one]
    note = f"`uow.enqueue` and its commit, {ROWS} rows in the table"
    return [
        Figure(name=f"enqueue_p{rank}", value=percentile(seen, rank), unit="ms", n=len(seen), note=note)
        for rank in (50, 99)
    ]


async def fill(database: Database, someone: Someone) -> None:
    """Write the history of one tenant, and let PostgreSQL count it."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(FILL, someone.tenant_id, ROWS, timeout=600)
    await owner.execute("ANALYZE jobs", timeout=120)
    await owner.close()


async def _pages(site: JobSite) -> dict[str, float]:
    """Return the p95 of each kind of page, in ms."""
    async with site.opened():
        wanted = await filters()
        taken: dict[str, list[float]] = {name: [] for name in wanted}
        for _ in range(PAGES):
            for name, criteria in wanted.items():
                started = time.perf_counter()
                rows = await job_search.page(site.someone.tenant_id, criteria, before_id=None, limit=LIMIT)
                taken[name].append((time.perf_counter() - started) * 1000)
                assert rows, name
    return {name: percentile(times, 95) for name, times in taken.items()}


async def filters() -> dict[str, Wanted]:
    """Return what operators look for, by name."""
    return {
        "first page": Wanted(),
        "state": Wanted(state="dead"),
        "kind": Wanted(kind="kind.3"),
        "subject": Wanted(subject_id=await query.fetch_value(SUBJECT)),
        "request": Wanted(request_id=f"request-{ROWS // 10}"),
        "error": Wanted(error_type="broken"),
    }


async def _plans(site: JobSite) -> Sequence[Plan]:
    await open_pool(site.database.url)  # without a dispatcher: nobody else holds the rows
    try:
        return await plans_of_pages(site.someone) + await plans_of_claims(site.someone)
    finally:
        await close_database()


async def plans_of_pages(someone: Someone) -> list[Plan]:
    """Return the plan of each kind of page, which is always one for its own arguments."""
    explainer = Explainer()
    for name, criteria in (await filters()).items():
        with explainer.watching(name, ("force_custom_plan",)):
            await job_search.page(someone.tenant_id, criteria, before_id=None, limit=LIMIT)
    return explainer.plans


async def plans_of_claims(someone: Someone) -> list[Plan]:
    """Return the plans of claims from a queue of 5,000 jobs of which a few have been pushed."""
    async with unit_of_work() as uow:
        ids = [await uow.enqueue(INSERT, Work("x"), subject=someone) for _ in range(DEEP)]
    await query.execute(
        "UPDATE jobs SET pushed_at = CASE WHEN id = ANY($1) THEN now() END WHERE state = 'queued'", ids[:40]
    )
    explainer, worker_id, kinds = Explainer(), new_id(), [INSERT.name]
    with explainer.watching("choice"):
        await claims._choose(ids[0], kinds, [])
    with explainer.watching("claim"):
        assert await claims.claim_next(ids[0], worker_id, 60.0, kinds)
    with explainer.watching("claim of 16"):
        assert len(await claim_plain(ids[1:17], worker_id, 60.0, kinds)) == len(ids[1:17])
    return explainer.plans


async def _both(site: JobSite, empty: Database) -> dict[str, tuple[list[list[float]], list[list[float]]]]:
    """Return the times of each round in the full and in the empty table, in ms."""
    rounds: dict[str, tuple[list[list[float]], list[list[float]]]] = {"claim": ([], []), "enqueue": ([], [])}
    for _ in range(ROUNDS):
        for place, database in enumerate((site.database, empty)):
            async with site.opened(database):
                asking, claiming = await _ask_and_claim(site)
            rounds["enqueue"][place].append(asking)
            rounds["claim"][place].append(claiming)
    return rounds


async def _ask_and_claim(site: JobSite) -> tuple[list[float], list[float]]:
    asked: list[JobId] = []
    worker_id = new_id()

    async def ask() -> None:
        async with unit_of_work() as uow:
            asked.append(await uow.enqueue(INSERT, Work("x"), subject=site.someone))

    async def claim() -> None:
        assert await claims.claim_next(asked.pop(), worker_id, 60.0, [INSERT.name]) is not None

    asking = [await _timed(ask) for _ in range(OPERATIONS)]
    await asyncio.sleep(0.5)  # what is pushed is noted
    claiming = [await _timed(claim) for _ in range(OPERATIONS)]
    await query.execute("UPDATE jobs SET state = 'succeeded', finished_at = now() WHERE state = 'running'")
    return asking, claiming


async def _timed(act: Act) -> float:
    started = time.perf_counter()
    await act()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    console = Console(width=200)
    show(measure(None, console), console)
