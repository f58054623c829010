"""A job's events as a `text/event-stream`, for as long as its reader may see the job."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID

import msgspec

from backend.errors import LyceumError
from backend.jobs.reading import Reader, looks
from backend.jobs.schemas import JobEvent, JobEvents
from backend.jobs.watching import JobWatches
from backend.kit.subject import Subject
from backend.problems import problem_document

COMMENT_SECONDS = 15.0


async def event_stream(
    subject: Subject, job_id: UUID, first: JobEvents, watches: JobWatches, draining: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield `first` and then events as they come to the last one, and a comment after each 15 s of silence.

    A reader who may not see the job any more gets an event `problem`, which has no number, and the stream ends. A server
    that stops ends it too; the reader comes back with `Last-Event-ID`, to another replica.
    """
    yield b"retry: 1000\n\n"
    spoke_at = time.monotonic()
    try:
        async with aclosing(looks(Reader(subject), job_id, first, watches)) as news:
            async for events in news:
                for event in events:
                    yield _frame(event)
                    spoke_at = time.monotonic()
                if draining.is_set():
                    return
                if time.monotonic() - spoke_at >= COMMENT_SECONDS:
                    yield b": still here\n\n"
                    spoke_at = time.monotonic()
    except LyceumError as error:
        problem = {"type": "problem", "problem": problem_document(error)}
        yield b"event: problem\ndata: %s\n\n" % msgspec.json.encode(problem)


def _frame(event: JobEvent) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), msgspec.json.encode(event))
