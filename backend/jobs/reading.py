"""A job's events as they come, for as long as their reader may see the job: what streams and sockets send on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from backend.identity.authentication import authenticate_again
from backend.jobs import service
from backend.jobs.schemas import JobEvent, JobEvents
from backend.jobs.watching import POLL_SECONDS, JobWatch, JobWatches
from backend.kit.subject import Subject
from db.errors import DatabaseUnavailable

RIGHTS_SECONDS = 3.0


class Reader:
    """Who reads, with the rights of now: asked for anew every 3 s, however many jobs are read."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._checked_at = time.monotonic()
        self._asking = asyncio.Lock()

    async def subject(self) -> Subject:
        """Return the person.

        Raises:
            SessionEnded: there is no such session any more.
            DatabaseUnavailable: it cannot be told now.
        """
        async with self._asking:
            if time.monotonic() - self._checked_at >= RIGHTS_SECONDS:
                self._subject = await authenticate_again(self._subject)
                self._checked_at = time.monotonic()
            return self._subject


async def looks(
    reader: Reader, job_id: UUID, first: JobEvents, watches: JobWatches
) -> AsyncGenerator[Sequence[JobEvent], None]:
    """Yield the events of `first`, and then, look by look, those that are new, which may be none; end after the last.

    Raises:
        SessionEnded, JobNotFound: the reader may not see them any more.
    """
    yield first.items
    if first.done:
        return
    after = first.next_after
    with watches.watch((await reader.subject()).tenant_id, job_id, after) as watch:
        while not watch.is_over(after):
            await asyncio.sleep(POLL_SECONDS)
            events = await _look(reader, job_id, watch, after)
            if events:
                after = events[-1].seq
            yield events


async def _look(reader: Reader, job_id: UUID, watch: JobWatch, after: int) -> Sequence[JobEvent]:
    """Return what is new; nothing while that, or the rights, cannot be told."""
    try:
        await watch.look()
        subject = await reader.subject()
        events = watch.events_after(after)
        if events is None:
            return (await service.read_events(subject, job_id, after)).items
        service.check_readable(subject, watch.row)
    except DatabaseUnavailable:
        return ()
    return events
