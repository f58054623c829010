"""What must hold after a run, asked of the tables directly."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg

from tests.bench.statistics import median
from tests.chaos.ledger.killer import WorkerKill
from tests.chaos.ledger.kinds import EXPECTED_TO_FAIL, PARTS
from tests.chaos.ledger.plan import Request

JOBS = "(SELECT id, kind, state, parent_id, args->>'name' AS name, error->>'type' AS error FROM jobs) AS job"
WRITTEN = "(SELECT count(*) FROM ledger WHERE ledger.name = {})"
# Each asks for what must not be there, and names it.
FAULTS = {
    "not over": f"SELECT name || ' ' || kind || ' ' || state FROM {JOBS} WHERE state IN ('queued', 'waiting', 'running')",
    "effect twice": "SELECT name FROM ledger GROUP BY name HAVING count(*) > 1",
    "effect missing": f"SELECT name FROM {JOBS} WHERE state = 'succeeded' AND {WRITTEN.format('job.name')} = 0",
    "effect of a failure": f"SELECT name FROM {JOBS} WHERE state <> 'succeeded' AND {WRITTEN.format('job.name')} > 0",
    "part missing": f"""SELECT name || '/' || part FROM {JOBS}, generate_series(0, {PARTS - 1}) AS part WHERE state = 'succeeded'
        AND kind IN ('ledger.long', 'ledger.called_off') AND {WRITTEN.format("job.name || '/' || part")} = 0""",
    "end untold": f"""SELECT name FROM {JOBS} WHERE state IN ('dead', 'cancelled')
        AND {WRITTEN.format("'ended ' || job.name")} = 0""",
    "end told of a success": f"""SELECT name FROM {JOBS} WHERE state = 'succeeded'
        AND {WRITTEN.format("'ended ' || job.name")} > 0""",
    "effect of nobody": f"""SELECT name FROM ledger WHERE NOT EXISTS (SELECT FROM {JOBS}
        WHERE job.name = split_part(regexp_replace(ledger.name, '^ended ', ''), '/', 1))""",
    "job twice": f"SELECT name FROM {JOBS} GROUP BY name HAVING count(*) > 1",
    "asked for and not there": f"SELECT name FROM asked WHERE NOT EXISTS (SELECT FROM {JOBS} WHERE job.name = asked.name)",
    "child missing": f"""SELECT name FROM {JOBS} JOIN (SELECT id, (args->>'width')::int AS width FROM jobs) USING (id)
        WHERE kind = 'ledger.fan' AND (SELECT count(*) FROM jobs c WHERE c.parent_id = job.id) <> width""",
    "attempt without an end": "SELECT job_id::text FROM job_attempts WHERE outcome IS NULL",
    "dead unexpectedly": f"""SELECT name || ' ' || error FROM {JOBS} WHERE state = 'dead' AND error <> 'child-failed'
        AND NOT kind = ANY('{{{",".join(EXPECTED_TO_FAIL)}}}')""",
}
AGAIN = """SELECT (extract(epoch FROM next.started_at) - $2)::float8 AS seconds, job.args->>'name' AS name,
                  (extract(epoch FROM lost.finished_at) - $2)::float8 AS given_back, next.attempt, (
                      SELECT count(*) FROM job_attempts before WHERE before.job_id = job.id AND before.outcome = 'lost'
                         AND before.attempt <= lost.attempt) AS losses FROM job_attempts lost
           JOIN job_attempts next ON next.job_id = lost.job_id AND next.attempt = lost.attempt + 1
           JOIN jobs job ON job.id = lost.job_id
           WHERE lost.outcome = 'lost' AND extract(epoch FROM lost.finished_at) > $2 AND lost.worker_id = (
               SELECT id FROM workers WHERE pid = $1 AND extract(epoch FROM started_at) < $2 ORDER BY started_at DESC LIMIT 1)"""
SHOWN = 8
SLOWEST = 3


class Recovery(NamedTuple):
    """A job whose worker was killed: seconds from there to its next start, and to its being given back by the clock."""

    seconds: float
    name: str
    given_back: float
    attempt: int
    losses: int

    @property
    def is_suspect(self) -> bool:
        """Whether it has lost its worker before as well: such jobs start one at a time, lest one of them is what kills."""
        return self.losses >= 2

    def __str__(self) -> str:
        return f"{self.name} {self.seconds:.1f} s (given back after {self.given_back:.1f} s, attempt {self.attempt})"


@dataclass
class Verdict:
    """`faults` by what is wrong, empty when all is well; `figures` to be printed."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    recoveries: list["Recovery"] = field(default_factory=list)

    @property
    def worst_seconds(self) -> float:
        """The longest time from a kill -9 to the start of the next attempt, of jobs that may start beside others."""
        return max((each.seconds for each in self.recoveries if not each.is_suspect), default=0.0)

    def __str__(self) -> str:
        wrong = {what: f"{len(names)}: {', '.join(names[:SHOWN])}" for what, names in self.faults.items()}
        return "\n".join(f"  {name}: {value}" for name, value in (self.figures | {"wrong": wrong or "nothing"}).items())


async def judge(url: str, requests: list[Request], kills: list[WorkerKill]) -> Verdict:
    """Look at everything once all is quiet."""
    verdict = Verdict()
    connection = await asyncpg.connect(url)
    try:
        for what, sql in FAULTS.items():
            if names := [row[0] for row in await connection.fetch(sql)]:
                verdict.faults[what] = names
        asked = {row[0] for row in await connection.fetch("SELECT name FROM asked")}
        if unasked := [name for each in requests if (name := each.works[0].name) not in asked]:
            verdict.faults["never asked for"] = unasked
        for kill in kills:
            verdict.recoveries += [Recovery(**row) for row in await connection.fetch(AGAIN, *kill)]
        verdict.figures = await _figures(connection, verdict)
    finally:
        await connection.close()
    return verdict


async def _figures(connection: asyncpg.Connection, verdict: Verdict) -> dict[str, Any]:
    kinds = await connection.fetch("SELECT kind, state, count(*) FROM jobs GROUP BY kind, state ORDER BY kind, state")
    outcomes = await connection.fetch("SELECT outcome, count(*) FROM job_attempts GROUP BY outcome ORDER BY outcome")
    deaths = await connection.fetch("SELECT error->>'type', count(*) FROM jobs WHERE state = 'dead' GROUP BY 1")
    slowest = sorted((each for each in verdict.recoveries if not each.is_suspect), reverse=True)[:SLOWEST]
    return {
        "jobs": sum(row[2] for row in kinds),
        "by kind": ", ".join(f"{kind.removeprefix('ledger.')} {state} {count}" for kind, state, count in kinds),
        "attempts": ", ".join(f"{outcome} {count}" for outcome, count in outcomes),
        "dead of": ", ".join(f"{error} {count}" for error, count in deaths),
        "effects": await connection.fetchval("SELECT count(*) FROM ledger"),
        "duplicates": len(verdict.faults.get("effect twice", [])),
        "running again after kill -9": _again(verdict.recoveries, is_suspect=False),
        "those that wait for their turn alone": _again(verdict.recoveries, is_suspect=True),
        "slowest of them": ", ".join(str(each) for each in slowest),
    }


def _again(recoveries: list[Recovery], *, is_suspect: bool) -> str:
    seconds = [each.seconds for each in recoveries if each.is_suspect == is_suspect]
    if not seconds:
        return "nothing was interrupted"
    return f"median {median(seconds):.1f} s, worst {max(seconds):.1f} s of {len(seconds)}"
