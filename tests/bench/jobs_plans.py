"""How PostgreSQL answers the statements about jobs: by which scans of `jobs`, and how many pages of 8 KiB it looks at.

Each statement is explained where it is run, with the arguments it is run with, as the plan for exactly those and as the one
for any: after a few runs PostgreSQL chooses between the two.
"""

import functools
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from db import query
from db.engine import ENGINE
from db.unit_of_work import unit_of_work

Mode = Literal["force_custom_plan", "force_generic_plan"]

MODES: tuple[Mode, ...] = ("force_custom_plan", "force_generic_plan")
TABLES = ("jobs", "job_attempts", "job_events")
PAGES = ("Shared Hit Blocks", "Shared Read Blocks")
READS = ("SELECT", "WITH")


class Plan(NamedTuple):
    """One statement's: `scans` are the nodes that read the large tables, `pages` what all of it looked at."""

    act: str
    mode: Mode
    scans: frozenset[str]
    pages: int

    @property
    def reads_everything(self) -> bool:
        return any(scan.startswith("Seq Scan") for scan in self.scans)

    def __str__(self) -> str:
        return f"{self.act} ({self.mode.split('_')[1]}): {self.pages} pages by {', '.join(sorted(self.scans)) or 'no scan'}"


class Explainer:
    """Notes the plans of what is asked while it is `watching`."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []

    @contextmanager
    def watching(self, act: str, modes: Sequence[Mode] = MODES) -> Iterator[None]:
        """Explain each statement before it is run."""
        asked = {name: getattr(query, name) for name in ("fetch", "fetch_one", "fetch_values")}

        def explained(name: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            @functools.wraps(ask)
            async def first_explained(*arguments: Any) -> Any:
                sql, *values = arguments[name != "fetch_values" :]
                if sql.lstrip().startswith(READS):
                    self.plans += [await _explained(act, mode, sql, values) for mode in modes]
                return await ask(*arguments)

            return first_explained

        for name, ask in asked.items():
            setattr(query, name, explained(name, ask))
        try:
            yield
        finally:
            for name, ask in asked.items():
                setattr(query, name, ask)


async def _explained(act: str, mode: Mode, sql: str, values: list[Any]) -> Plan:
    if ENGINE.current_transaction.get() is None:
        async with unit_of_work():
            return await _explained(act, mode, sql, values)
    arguments = f"({', '.join(map(_literal, values))})" if values else ""
    for statement in ("SAVEPOINT explained", f"SET LOCAL plan_cache_mode = {mode}", f"PREPARE explained AS {sql}"):
        await query.execute(statement)
    found = await query.fetch_value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained{arguments}")
    for statement in ("DEALLOCATE explained", "ROLLBACK TO explained"):
        await query.execute(statement)
    root = json.loads(found)[0]["Plan"]
    return Plan(act, mode, frozenset(_scans(root)), sum(root[name] for name in PAGES))


def _scans(node: dict[str, Any]) -> Iterator[str]:
    kind, index = node["Node Type"], node.get("Index Name")
    if node.get("Relation Name") in TABLES and kind != "ModifyTable":
        yield f"{kind} {index or node['Relation Name']}"
    elif kind == "Bitmap Index Scan":
        yield f"{kind} {index}"
    for child in node.get("Plans", ()):
        yield from _scans(child)


def _literal(value: Any) -> str:
    """Write a value as a constant that takes its parameter's type."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        value = "{" + ",".join(json.dumps(str(each)) for each in value) + "}"
    return "'" + str(value).replace("'", "''") + "'"
