"""A job's events as a `text/event-stream`, for as long as its reader may see the job."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from backend.errors import LyceumError
from backend.identity.authentication import authenticate_again
from backend.jobs import service
from backend.jobs.schemas import JobEvent, JobEvents
from backend.jobs.watching import POLL_SECONDS, JobWatch, JobWatches
from backend.kit.subject import Subject
from backend.problems import problem_document
from db.errors import DatabaseUnavailable

RIGHTS_SECONDS = 3.0
COMMENT_SECONDS = 15.0


async def event_stream(
    subject: Subject, job_id: UUID, first: JobEvents, watches: JobWatches, draining: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield `first` and then events as they come to the last one, and a comment after each 15 s of silence.

    Session and rights are asked for anew every 3 s; one that is gone ends the stream with an event `problem`, which has no
    number. A server that stops ends the stream too; the reader comes back with `Last-Event-ID`, to another replica.
    """
    yield b"retry: 1000\n\n"
    for event in first.items:
        yield _frame(event)
    if first.done:
        return
    try:
        with watches.watch(subject.tenant_id, job_id, first.next_after) as watch:
            async for part in _follow(_Reader(subject, job_id, watch, first.next_after), draining):
                yield part
    except LyceumError as error:
        yield b"event: problem\ndata: %s\n\n" % msgspec.json.encode(
            {"type": "problem", "problem": problem_document(error)}
        )


async def _follow(reader: "_Reader", draining: asyncio.Event) -> AsyncIterator[bytes]:
    spoke_at = time.monotonic()
    while not draining.is_set():
        for event in await reader.read():
            yield _frame(event)
            spoke_at = time.monotonic()
        if reader.is_done:
            return
        if time.monotonic() - spoke_at >= COMMENT_SECONDS:
            yield b": still here\n\n"
            spoke_at = time.monotonic()


class _Reader:
    """One of those who watch a job: who it is, and how far they have read."""

    def __init__(self, subject: Subject, job_id: UUID, watch: JobWatch, after: int) -> None:
        self._subject = subject
        self._job_id = job_id
        self._watch = watch
        self._after = after
        self._checked_at = time.monotonic()

    @property
    def is_done(self) -> bool:
        return self._watch.is_over(self._after)

    async def read(self) -> list[JobEvent]:
        """Return what is new after a moment; nothing while the rights cannot be told.

        Raises:
            SessionEnded, JobNotFound: the reader may not see it any more.
        """
        await asyncio.sleep(POLL_SECONDS)
        try:
            await self._watch.look()
            if time.monotonic() - self._checked_at >= RIGHTS_SECONDS:
                self._subject = await authenticate_again(self._subject)
                self._checked_at = time.monotonic()
            events = self._watch.events_after(self._after)
            if events is None:
                events = (await service.read_events(self._subject, self._job_id, self._after)).items
            else:
                service.check_readable(self._subject, self._watch.row)
        except DatabaseUnavailable:
            return []
        if events:
            self._after = events[-1].seq
        return list(events)


def _frame(event: JobEvent) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), msgspec.json.encode(event))
