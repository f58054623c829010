"""`python -m tests.bench [NAME …]`: take the figures, print them, write them to build/bench.json.

A name is a figure's (`ingest/embedder`) or a bench's (`courses_list`); without names all are taken. The exit code is 0 when
every figure was taken, met or not.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from tests.bench import (
    courses_list,
    embeddings,
    engine,
    first_event,
    gateway,
    ingest,
    jobs,
    jobs_history,
    jobs_recovery,
    search,
    sockets,
    up,
    while_ingesting,
)
from tests.bench.report import Figure, judge, read_goals, show, write
from tests.bench.site import Site, running_site
from tests.stack import ROOT

OUTPUT = ROOT / "build" / "bench.json"


class Bench(NamedTuple):
    """One measurement and the figures it gives."""

    name: str
    figures: tuple[str, ...]
    measure: Callable[[Site, Console], list[Figure]]


HISTORY = (
    "jobs_history_p95",
    "jobs_history_pages",
    "jobs_claims_pages",
    "claim/empty_table",
    "enqueue/empty_table",
    "enqueue_p50",
    "enqueue_p99",
)
GATEWAY = tuple(
    f"gateway{name}"
    for name in (
        *("/litellm", "/portkey", "_added_p50", "_added_p99"),
        *("_streamed/litellm", "_streamed/portkey", "_streamed_added_p50", "_streamed_added_p99"),
        *("_thoughtful_added_p50", "_thoughtful_added_p99"),
        *("_streams", "_streams_delay_p99"),
        *("_token/litellm", "_token/portkey", "_memory/litellm", "_memory/portkey"),
    )
)
BENCHES = (
    Bench("up", ("up_warm",), up.measure),
    Bench("courses_list", ("courses_list/fastapi", "courses_list/asgi"), courses_list.measure),
    Bench("search", ("search/sum",), search.measure),
    Bench("first_event", ("first_event_hit", "first_event_miss"), first_event.measure),
    Bench("ingest", ("ingest/embedder",), ingest.measure),
    Bench("while_ingesting", ("search_while_ingesting_p95", "courses_while_ingesting_p99"), while_ingesting.measure),
    Bench("embeddings", ("embeddings/saturated",), embeddings.measure),
    Bench("engine", engine.NAMES, engine.measure),
    Bench("gateway", GATEWAY, gateway.measure),
    Bench("jobs", ("jobs/celery", "jobs/dramatiq"), jobs.measure),
    Bench("jobs_history", HISTORY, jobs_history.measure),
    Bench("jobs_recovery", ("recovery_worst",), jobs_recovery.measure),
    Bench("sockets", ("ws_500", "ws_event_delay", "ws_memory", "api_rss"), sockets.measure),
)


def main(names: list[str]) -> int:
    """Return the exit code: 1 when a figure could not be taken, 2 for a name that is none."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    known = {word for bench in BENCHES for word in (bench.name, *bench.figures)}
    if unknown := sorted(set(names) - known):
        console.print(f"no such figure: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return 2
    chosen = [bench for bench in BENCHES if not names or {bench.name, *bench.figures} & set(names)]
    subprocess.run([Path(__file__).with_name("system_packages.sh")], check=True)
    figures, failed = _run(chosen, console)
    judge(figures, read_goals())
    show(figures, console)
    write(figures, OUTPUT)
    console.print(f"written to {OUTPUT.relative_to(ROOT)}" + (f"; not taken: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _run(chosen: list[Bench], console: Console) -> tuple[list[Figure], list[str]]:
    figures: list[Figure] = []
    failed: list[str] = []
    console.print("starting an installation of its own and loading the demo")
    with running_site() as site:
        for number, bench in enumerate(chosen, start=1):
            console.print(f"[{number}/{len(chosen)}] {bench.name}: {bench.measure.__module__}", markup=False)
            started = time.perf_counter()
            try:
                figures += bench.measure(site, console)
            except Exception:  # noqa: BLE001 - the others are taken all the same; the exit code tells
                console.print_exception(max_frames=4)
                failed.append(bench.name)
            console.print(f"  took {time.perf_counter() - started:.0f} s")
    return figures, failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
