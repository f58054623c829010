"""One run: ask, kill, wait until all is over, judge."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import asyncpg

from tests.chaos.ledger.killer import Killer
from tests.chaos.ledger.plan import draw
from tests.chaos.ledger.site import Scale, Site, opened
from tests.chaos.ledger.verdict import Verdict, judge

SETTLE_SECONDS = 90.0
PROGRESS_SECONDS = 10.0
UNFORESEEN = ("attempt_failed", "tick_failed", "job_not_repaired", "upkeep_failed", "upkeep_ended")
EXPECTED_ERRORS = ("RuntimeError",)

Say = Callable[[str], None]


async def run(
    folder: Path,
    seed: int,
    scale: Scale,
    *,
    without: str = "",
    only: str = "",
    settle_seconds: float = SETTLE_SECONDS,
    say: Say = print,
) -> Verdict:
    """Return what came of it; `only` restricts the faults to those whose name begins so, `without` takes out a guard."""
    started = time.monotonic()
    async with opened(folder, seed, scale, without) as site:
        site.start()
        progress = asyncio.create_task(_tell(site, started, say))
        killer = Killer(site, seed, scale, only)
        await killer.run(lambda: site.has_asked and time.monotonic() - started > scale.seconds)
        asked_seconds = time.monotonic() - started
        await _until_over(site, settle_seconds)
        await asyncio.sleep(scale.lease_seconds)  # whoever was replaced has woken up by now and tries to write
        progress.cancel()
        verdict = await judge(site.database.owner_url, draw(seed, scale.jobs, scale.lease_seconds), killer.worker_kills)
        verdict.figures = (
            {"seed": seed, "faults": ", ".join(f"{name} {count}" for name, count in sorted(killer.done.items()))}
            | {"seconds": f"{asked_seconds:.0f} of faults, {time.monotonic() - started:.0f} in all"}
            | verdict.figures
            | {"unforeseen in logs": dict(_unforeseen(site.logs())) or "nothing"}
        )
    return verdict


async def _until_over(site: Site, seconds: float) -> None:
    """Wait until every job is; what is not over then is the verdict's."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and await _live(site):
        await asyncio.sleep(0.2)


async def _live(site: Site) -> int:
    connection = await asyncpg.connect(site.database.owner_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM jobs WHERE finished_at IS NULL"))
    finally:
        await connection.close()


async def _tell(site: Site, started: float, say: Say) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        try:
            connection = await asyncpg.connect(site.database.owner_url, timeout=PROGRESS_SECONDS)
            counts = await connection.fetch("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state")
            await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            continue
        told = ", ".join(f"{state} {count}" for state, count in counts)
        say(f"  {time.monotonic() - started:4.0f} s: {told}")


def _unforeseen(logs: list[Path]) -> Counter[str]:
    found: Counter[str] = Counter()
    for log in logs:
        lines = iter(log.read_text(errors="replace").splitlines())
        for line in lines:
            if line.startswith("Traceback"):
                error = next((each for each in lines if not each.startswith(" ")), "")
                found[f"{log.parent.name.partition('-')[0]}: {error[:80]}"] += 1
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") in UNFORESEEN and entry.get("error") not in EXPECTED_ERRORS:
                found[f"{entry['event']} {entry.get('error')}"] += 1
    return found
