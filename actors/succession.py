"""Who may start when a job has ended: its parent, its successor, and whoever waited for its place.

All of it is found by the clock as well, a second or two later: what fails here is only slower.
"""

import asyncio
import contextvars
from collections.abc import Sequence

from db.dispatch import Dispatch, dispatcher
from db.errors import DatabaseError
from db.jobs import Claim
from db.repositories import job_families, job_upkeep
from ops.runtime.logging import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 0.05
"""The pause after a look that found nobody: the ends of many quick jobs are looked after together."""


class Successions:
    """Brings forward who waited for jobs that have ended, several ends at a time, beside the work that goes on."""

    def __init__(self) -> None:
        self._ended: list[Claim] = []
        self._task: asyncio.Task[None] | None = None

    def note(self, ended: Claim) -> None:
        """Look soon at who waited for this attempt's end."""
        self._ended.append(ended)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), context=contextvars.Context())

    async def finish(self) -> None:
        """Wait until all has been looked at."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _work(self) -> None:
        while self._ended:
            ended, self._ended = self._ended, []
            if not await bring_forward(ended):
                await asyncio.sleep(LOOK_SECONDS)


async def bring_forward(ended: Sequence[Claim]) -> bool:
    """Free and push those who waited for the ends of these attempts; tell whether somebody may have."""
    try:
        awaited = await job_families.awaited(ended)
        for each in ended:
            if each.job_id in awaited:
                await _bring_forward(each)
    except DatabaseError as error:
        log.info("left_to_the_clock", error=type(error).__name__)
        return False
    return bool(awaited)


async def _bring_forward(ended: Claim) -> None:
    freed, next_jobs = await job_families.after(ended)
    rows = {row.id: row for row in (*freed, *next_jobs)}
    if not rows:
        return
    sender = dispatcher()
    if sender is not None and await sender.push([Dispatch(row.kind, row.queue, row.id) for row in rows.values()]):
        await job_upkeep.mark_pushed(freed)
        return
    for job_id in rows:
        await job_upkeep.forget_push(job_id)
