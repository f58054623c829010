"""Live events of jobs: however many people watch a job, this process asks Postgres for it once per interval."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from backend.jobs import service
from backend.jobs.schemas import JobEvent
from db.errors import DatabaseUnavailable
from db.jobs import TERMINAL_STATES
from db.repositories import jobs
from db.repositories.jobs import JobRow

POLL_SECONDS = 0.5
KEPT_EVENTS = 1000


class JobWatch:
    """One job as it is now, with its latest events, for everybody in this process who watches it."""

    def __init__(self, tenant_id: UUID, job_id: UUID, after: int) -> None:
        self.row: JobRow | None = None
        self.watchers = 0
        self._place = (tenant_id, job_id)
        self._events: deque[JobEvent] = deque(maxlen=KEPT_EVENTS)
        self._last = after
        self._looking = asyncio.Lock()
        self._next_look = 0.0
        self._seen = False

    async def look(self) -> None:
        """See how the job is; once per interval, whoever asks.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        async with self._looking:
            if time.monotonic() >= self._next_look:
                self._next_look, self._seen = time.monotonic() + POLL_SECONDS, False
                await self._poll()
                self._seen = True
            if not self._seen:
                raise DatabaseUnavailable

    def events_after(self, after: int) -> Sequence[JobEvent] | None:
        """Return the events with a number above `after`; None when they lie further back than this watch knows."""
        if after < self._last - len(self._events):
            return None
        return [event for event in self._events if event.seq > after]

    def is_over(self, after: int) -> bool:
        """Tell whether event `after` was the last there will be."""
        return self.row is not None and self.row.state in TERMINAL_STATES and after >= self.row.last_event

    async def _poll(self) -> None:
        tenant_id, job_id = self._place
        row = await jobs.get(job_id, tenant_id)
        if row is not None and row.last_event > self._last:
            for event in await service.events_of(job_id, self._last):
                self._events.append(event)
                self._last = event.seq
        self.row = row


class JobWatches:
    """The jobs that are being watched in this process."""

    def __init__(self) -> None:
        self._watches: dict[UUID, JobWatch] = {}

    @contextmanager
    def watch(self, tenant_id: UUID, job_id: UUID, after: int) -> Iterator[JobWatch]:
        """Watch a job of the tenant, along with whoever does so already; `after` is the last event known."""
        watch = self._watches.setdefault(job_id, JobWatch(tenant_id, job_id, after))
        watch.watchers += 1
        try:
            yield watch
        finally:
            watch.watchers -= 1
            if not watch.watchers:
                del self._watches[job_id]
