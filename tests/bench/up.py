"""`lyceum up` on a folder that has run before, until every process is ready, the embedder included."""

from rich.console import Console

from tests.bench.report import Figure
from tests.bench.site import Site
from tests.bench.statistics import median, spread

STARTS = 3


def measure(site: Site, console: Console) -> list[Figure]:
    """Return the median of three warm starts."""
    seconds = []
    for _ in range(STARTS):
        seconds.append(site.restart())
        console.print(f"  warm start: {seconds[-1]:.1f} s")
    return [Figure(name="up_warm", value=median(seconds), unit="s", n=STARTS, spread=spread(seconds), note="median")]
