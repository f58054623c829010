"""The figures of the queues as they change, for as long as the reader may see them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec

from backend.errors import LyceumError
from backend.identity.authentication import authenticate_again
from backend.jobs.figures import LOOK_SECONDS, FigureBoard
from backend.jobs.queues import READ
from backend.kit.subject import Subject
from backend.problems import problem_document
from db.errors import DatabaseUnavailable

RIGHTS_SECONDS = 3.0


async def figure_stream(subject: Subject, board: FigureBoard, draining: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield an event `figures` every 2 s, and a comment instead while the database does not answer.

    Session and rights are asked for anew every 3 s; one that is gone ends the stream with an event `problem`. A server that
    stops ends it too; the reader comes back, to another replica.
    """
    yield b"retry: 1000\n\n"
    checked_at = time.monotonic()
    while not draining.is_set():
        try:
            if time.monotonic() - checked_at >= RIGHTS_SECONDS:
                subject = await authenticate_again(subject)
                subject.require(READ)
                checked_at = time.monotonic()
            figures = await board.look(subject.tenant_id)
            yield b"event: figures\ndata: %s\n\n" % msgspec.json.encode({"type": "figures", "queues": figures})
        except DatabaseUnavailable:
            yield b": the database does not answer\n\n"
        except LyceumError as error:
            problem = {"type": "problem", "problem": problem_document(error)}
            yield b"event: problem\ndata: %s\n\n" % msgspec.json.encode(problem)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(draining.wait(), LOOK_SECONDS)
