"""The table of promises in the runbook."""

from pathlib import Path
from typing import cast

from tests.chaos.walk import Outcome

RUNBOOK = Path(__file__).parents[2] / "ops" / "runbooks" / "degraded.md"
OUTCOMES = ("normal", "lesser", "503")


def promises() -> dict[str, dict[str, Outcome]]:
    """Return what is promised, by server and feature."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in RUNBOOK.read_text().splitlines()
        if line.startswith("|")
    ]
    start = next(number for number, row in enumerate(rows) if row[0] == "feature")
    servers = rows[start][1:]
    table: dict[str, dict[str, Outcome]] = {server: {} for server in servers}
    for feature, *cells in rows[start + 2 :]:
        if len(cells) != len(servers):
            break
        for server, cell in zip(servers, cells, strict=True):
            outcome = cell.partition(":")[0]
            assert outcome in OUTCOMES, f"{feature} without {server}: {cell}"
            table[server][feature] = cast(Outcome, outcome)
    return table
