"""Lists of jobs, which may be a million long: each filter has an index in the order of the list."""

from datetime import datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from db import query
from db.jobs import TERMINAL_STATES, JobState
from db.repositories.jobs import COLUMNS, JobRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId

CLOCK_SLACK = timedelta(hours=1)
"""How far the clock of whoever made a job, which its id holds, may be from the database's, which `created_at` holds."""
VERSION_7 = 0x7 << 76
OF_STATE: Final[dict[JobState, str]] = {
    state: f"state = '{state}'" + " AND finished_at IS NOT NULL" * (state in TERMINAL_STATES)
    for state in get_args(JobState)
}
"""Written out, not passed as arguments: the index of ended jobs does not hold the others."""
BEFORE_ID = datetime.fromisoformat("1970-01-01T00:00:00+00:00") + CLOCK_SLACK


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a tenant's jobs; None means any. `created_from` is included, `created_until` is not."""

    state: JobState | None = None
    kind: str | None = None
    queue: str | None = None
    subject_id: UUID | None = None
    user_id: UUID | None = None
    error_type: str | None = None
    request_id: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


class DeadGroupRow(msgspec.Struct, frozen=True, kw_only=True):
    """Dead jobs of one kind and type of error."""

    kind: str
    error_type: str
    count: int
    oldest_at: datetime
    newest_at: datetime
    sample_ids: list[JobId]


class Condition:
    """A `WHERE` over `jobs` with its arguments. Only what is asked for stands in it, so that a plan can be made for that."""

    def __init__(self, tenant_id: UUID, wanted: Wanted) -> None:
        self.arguments: list[Any] = [tenant_id]
        self._parts = ["tenant_id = $1"]
        if wanted.state is not None:
            self._parts.append(OF_STATE[wanted.state])
        for column in ("kind", "queue", "subject_id", "user_id", "request_id"):
            self.add(f"{column} = {{}}", getattr(wanted, column))
        if wanted.request_id is not None:
            self._parts.append("request_id <> ''")
        if wanted.error_type is not None:
            self._parts.append("error IS NOT NULL")
            self.add("error ->> 'type' = {}", wanted.error_type)
        self.add("created_at >= {}", wanted.created_from)
        self.add("created_at < {}", wanted.created_until)
        # The list is in the order of ids, which begin with the time: without these a month long past is looked for from today.
        self.add("id >= {}", _id_at(wanted.created_from, -CLOCK_SLACK))
        self.add("id < {}", _id_at(wanted.created_until, CLOCK_SLACK))

    def add(self, part: str, value: object) -> None:
        """Add a condition with its argument where `{}` stands, unless the value is None."""
        if value is not None:
            self.arguments.append(value)
            self._parts.append(part.format(f"${len(self.arguments)}"))

    def add_plain(self, part: str) -> None:
        """Add a condition without arguments."""
        self._parts.append(f"({part})")

    def __str__(self) -> str:
        return " AND ".join(self._parts)


async def page(tenant_id: UUID, wanted: Wanted, *, before_id: UUID | None, limit: int) -> list[JobRow]:
    """Return the tenant's jobs that match, newest first; `before_id` continues a page."""
    condition = Condition(tenant_id, wanted)
    condition.add("id < {}", before_id)
    async with unit_of_work():
        # A plan for any value would take the same index for a rare kind as for a common one.
        await query.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        return await query.fetch(
            JobRow,
            f"SELECT {COLUMNS} FROM jobs WHERE {condition} ORDER BY id DESC LIMIT {int(limit)}",
            *condition.arguments,
        )


async def count(condition: Condition) -> int:
    """Return how many jobs match."""
    found: int = await query.fetch_value(f"SELECT count(*) FROM jobs WHERE {condition}", *condition.arguments)
    return found


async def first_ids(condition: Condition, limit: int) -> list[JobId]:
    """Return the jobs that match, oldest first."""
    return await query.fetch_values(
        f"SELECT id FROM jobs WHERE {condition} ORDER BY id LIMIT {int(limit)}", *condition.arguments
    )


async def many(tenant_id: UUID, job_ids: list[JobId]) -> list[JobRow]:
    """Return those of the jobs that the tenant has, in the order of their ids."""
    return await query.fetch(
        JobRow, f"SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id", tenant_id, job_ids
    )


async def dead_groups(tenant_id: UUID, samples: int, limit: int) -> list[DeadGroupRow]:
    """Return the tenant's dead jobs by kind and type of error, the most frequent first, each with its newest samples."""
    return await query.fetch(
        DeadGroupRow,
        """SELECT kind, coalesce(error ->> 'type', '') AS error_type, count(*), min(finished_at) AS oldest_at,
                  max(finished_at) AS newest_at, (array_agg(id ORDER BY id DESC))[1:$2] AS sample_ids
           FROM jobs WHERE tenant_id = $1 AND state = 'dead' AND finished_at IS NOT NULL
           GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $3""",
        tenant_id,
        samples,
        limit,
    )


def _id_at(moment: datetime | None, slack: timedelta) -> UUID | None:
    """Return the least id made at that moment; None when that says nothing."""
    if moment is None or moment <= BEFORE_ID:
        return None
    try:
        milliseconds = int((moment + slack).timestamp() * 1000)
    except OverflowError:
        return None
    return UUID(int=milliseconds << 80 | VERSION_7)
