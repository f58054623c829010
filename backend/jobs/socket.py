"""The events of any number of jobs over one WebSocket: what its frames mean.

Frames to the other end are the numbered events of `GET /jobs/{id}/events` plus `job_id`; `over` tells that none comes
after number `after`, `problem` why a job is not followed, or not any more.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec

from backend.errors import AuthenticationRequired
from backend.identity.sockets import Auth, Heartbeat, PersonSocket
from backend.jobs import service
from backend.jobs.reading import Reader, looks
from backend.jobs.schemas import JobEvents
from backend.jobs.watching import JobWatches
from backend.kit.ratelimit import RequestGate
from backend.kit.sockets import NOT_SIGNED_IN, Closed, Socket, SocketCount
from backend.kit.subject import Subject
from ops.runtime.ids import JobId

ROUTE = "/api/v1/jobs/ws"


class Follow(msgspec.Struct, frozen=True, kw_only=True, tag="follow", forbid_unknown_fields=True):
    """Follow a job from the event after `after`."""

    job_id: JobId
    after: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


class Unfollow(msgspec.Struct, frozen=True, kw_only=True, tag="unfollow", forbid_unknown_fields=True):
    """Hear no more of a job."""

    job_id: JobId


class Over(msgspec.Struct, frozen=True, kw_only=True, tag="over"):
    """The job has ended; `after` is the number of its last event."""

    job_id: JobId
    after: int


ClientFrame = Auth | Follow | Unfollow | Heartbeat


class JobSocket(PersonSocket):
    """One signed-in person's socket."""

    route = ROUTE
    decoder = msgspec.json.Decoder(ClientFrame)
    id_field = "job_id"
    followed = "jobs"
    max_followed = 50

    def __init__(
        self, socket: Socket, watches: JobWatches, gate: RequestGate, count: SocketCount, draining: asyncio.Event
    ) -> None:
        super().__init__(socket, gate, count, draining)
        self._watches = watches
        self._reader: Reader | None = None

    async def obey(self, subject: Subject, frame: Follow | Unfollow) -> None:
        """Follow a job or leave it."""
        if isinstance(frame, Unfollow):
            self.unfollow(frame.job_id)
        else:
            await self.answering(frame.job_id, lambda: self._follow(subject, frame))

    async def _follow(self, subject: Subject, frame: Follow) -> None:
        await self.limit("reads", subject)
        first = await service.read_events(subject, frame.job_id, frame.after)
        self._reader = self._reader or Reader(subject)
        self.follow(frame.job_id, self._frames(self._reader, frame.job_id, first))

    async def _frames(self, reader: Reader, job_id: JobId, first: JobEvents) -> AsyncGenerator[str, None]:
        after = first.next_after
        try:
            async with aclosing(looks(reader, job_id, first, self._watches)) as news:
                async for events in news:
                    for event in events:
                        yield f'{{"job_id":"{job_id}",{msgspec.json.encode(event)[1:].decode()}'
                        after = event.seq
        except AuthenticationRequired as error:
            raise Closed(NOT_SIGNED_IN, error.title, error) from error
        yield msgspec.json.encode(Over(job_id=job_id, after=after)).decode()
