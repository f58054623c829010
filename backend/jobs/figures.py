"""The figures of a tenant's queues: now, and over the last hours."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from backend.jobs.errors import QueueNotFound
from backend.jobs.queues import READ
from backend.kit.subject import Subject
from db.jobs import QUEUES, Queue
from db.repositories import queue_history, queues
from db.repositories.queue_history import FlowRow, PointRow
from db.repositories.queues import QueueRow

Hours = Literal[1, 24, 168]
STEP_SECONDS: Final[dict[int, int]] = {1: 15, 24: 300, 168: 1800}
"""Steps of a chart by its hours: at most 337 points."""
RATE_MINUTES: Final = 5
LOOK_SECONDS: Final = 2.0


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as one tenant sees it.

    `depth` waits, `in_flight` runs, `oldest_age_seconds` is that of what could start (null: nothing could). Rates are those of
    the last five minutes, null while no clock counted; `failure_rate` is the part of what ended that died, null when nothing
    ended. `seconds_to_empty` is null when the queue is paused or does not get shorter. `workers` serve all tenants.
    """

    name: Queue
    depth: int
    oldest_age_seconds: float | None
    in_flight: int
    in_per_minute: float | None
    out_per_minute: float | None
    failure_rate: float | None
    seconds_to_empty: float | None
    paused_at: datetime | None
    paused_by: UUID | None
    workers: int


class QueueHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A queue over time, one value for each step that begins at `at` (seconds since 1970); null where no clock looked.

    Depth, age and what is in flight are the highest of the step; rates are its mean.
    """

    queue: Queue
    hours: int
    step_seconds: int
    at: list[int]
    depth: list[int | None]
    oldest_age_seconds: list[float | None]
    in_flight: list[int | None]
    in_per_minute: list[float | None]
    out_per_minute: list[float | None]
    failed_per_minute: list[float | None]


async def queue_figures(subject: Subject) -> list[QueueFigures]:
    """Return the figures of every queue.

    Raises:
        PermissionMissing: the subject is no operator.
    """
    subject.require(READ)
    return await figures_of(subject.tenant_id)


async def figures_of(tenant_id: UUID) -> list[QueueFigures]:
    """Return the figures of a tenant's queues, to whoever has asked for the rights."""
    rows = await queues.queues(tenant_id, list(QUEUES))
    flows = {flow.queue: flow for flow in await queue_history.flow(tenant_id, RATE_MINUTES)}
    workers = await queue_history.workers_by_queue()
    now = datetime.now().astimezone()
    return [_figures(row, flows.get(row.name), workers.get(row.name, 0), now) for row in rows]


async def queue_history_of(subject: Subject, name: str, hours: Hours) -> QueueHistory:
    """Return a queue over the last hours.

    Raises:
        PermissionMissing: the subject is no operator.
        QueueNotFound: there is no such queue.
    """
    subject.require(READ)
    queue = next((known for known in QUEUES if known == name), None)
    if queue is None:
        raise QueueNotFound
    step = STEP_SECONDS[hours]
    rows = await queue_history.points(subject.tenant_id, queue, hours, step)

    def of_row(value: Callable[[PointRow], float]) -> list[float | None]:
        return [None if row.seconds is None else round(value(row), 2) for row in rows]

    def of_count(value: Callable[[PointRow], int]) -> list[int | None]:
        return [None if row.seconds is None else value(row) for row in rows]

    def per_minute(value: Callable[[PointRow], int]) -> list[float | None]:
        return [_per_minute(value(row), row.seconds) for row in rows]

    return QueueHistory(
        queue=queue,
        hours=hours,
        step_seconds=step,
        at=[int(row.at.timestamp()) for row in rows],
        depth=of_count(lambda row: row.depth),
        oldest_age_seconds=of_row(lambda row: row.oldest_seconds),
        in_flight=of_count(lambda row: row.in_flight),
        in_per_minute=per_minute(lambda row: row.arrived),
        out_per_minute=per_minute(lambda row: row.succeeded + row.died + row.cancelled),
        failed_per_minute=per_minute(lambda row: row.died),
    )


def seconds_to_empty(depth: int, in_per_minute: float | None, out_per_minute: float | None) -> float | None:
    """Return when a queue is empty if all goes on as it does; None when it does not get shorter, or nobody counted."""
    if depth == 0:
        return 0.0
    if in_per_minute is None or out_per_minute is None or out_per_minute <= in_per_minute:
        return None
    return round(depth / (out_per_minute - in_per_minute) * 60, 1)


def _figures(row: QueueRow, flow: FlowRow | None, workers: int, now: datetime) -> QueueFigures:
    arriving = leaving = failing = None
    if flow is not None:
        arriving = _per_minute(flow.arrived, flow.seconds)
        leaving = _per_minute(flow.succeeded + flow.died + flow.cancelled, flow.seconds)
        judged = flow.succeeded + flow.died
        failing = round(flow.died / judged, 4) if judged else None
    depth = row.queued + row.waiting
    return QueueFigures(
        name=row.name,
        depth=depth,
        oldest_age_seconds=None if row.oldest_at is None else max(0.0, round((now - row.oldest_at).total_seconds(), 1)),
        in_flight=row.running,
        in_per_minute=arriving,
        out_per_minute=leaving,
        failure_rate=failing,
        seconds_to_empty=None if row.paused_at and depth else seconds_to_empty(depth, arriving, leaving),
        paused_at=row.paused_at,
        paused_by=row.paused_by,
        workers=workers,
    )


def _per_minute(count: int, seconds: float | None) -> float | None:
    return round(count / seconds * 60, 2) if seconds else None


class FigureBoard:
    """The figures of the tenants that are being watched: however many look, Postgres is asked once in 2 s."""

    def __init__(self) -> None:
        self._seen: dict[UUID, tuple[float, list[QueueFigures]]] = {}
        self._looking = asyncio.Lock()

    async def look(self, tenant_id: UUID) -> list[QueueFigures]:
        """Return figures that are not older than 2 s.

        Raises:
            DatabaseUnavailable: they cannot be told now.
        """
        async with self._looking:
            seen = self._seen.get(tenant_id)
            if seen is not None and time.monotonic() - seen[0] < LOOK_SECONDS:
                return seen[1]
            self._forget_old()
            figures = await figures_of(tenant_id)
            self._seen[tenant_id] = (time.monotonic(), figures)
            return figures

    def _forget_old(self) -> None:
        limit = time.monotonic() - LOOK_SECONDS
        self._seen = {tenant: seen for tenant, seen in self._seen.items() if seen[0] > limit}
