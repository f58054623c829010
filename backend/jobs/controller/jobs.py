"""Jobs: whose they are, how far they are, and their end."""

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, WebSocket, get, post, websocket
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_202_ACCEPTED

from backend.jobs import service
from backend.jobs.schemas import JobEvents, JobFilter, JobView
from backend.jobs.socket import ROUTE, JobSocket
from backend.jobs.sse import event_stream
from backend.kit.http import (
    CurrentSubject,
    PageCursor,
    PageLimit,
    QueryNumber,
    QueryText,
    own_authentication,
    serve_socket,
    signed_in,
)
from backend.kit.pagination import DEFAULT_LIMIT, Page
from db.jobs import JobState, Queue
from ops.runtime.ids import JobId

AnyRequest = Request[Any, Any, Any]
EVENT_STREAM = "text/event-stream"

StateFilter = Annotated[JobState | None, QueryParameter(name="state")]
QueueFilter = Annotated[Queue | None, QueryParameter(name="queue")]
LastEventId = Annotated[str | None, HeaderParameter(name="last-event-id", required=False, max_length=20)]


class JobController(Controller):
    path = "/api/v1/jobs"
    tags = ("jobs",)

    @get(opt=signed_in())
    async def list_jobs(
        self,
        subject: CurrentSubject,
        job_state: StateFilter = None,
        kind: QueryText = None,
        queue: QueueFilter = None,
        subject_id: FromQuery[UUID | None] = None,
        user_id: FromQuery[UUID | None] = None,
        error_type: QueryText = None,
        request_id: QueryText = None,
        created_from: FromQuery[datetime | None] = None,
        created_until: FromQuery[datetime | None] = None,
        mine: FromQuery[bool] = False,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[JobView]:
        """One's own jobs, newest first; operators see the tenant's.

        `subject_id` is what a job is about, e.g. a document; `error_type` what its last attempt failed with. `created_from` is
        included, `created_until` is not.
        """
        wanted = JobFilter(
            state=job_state,
            kind=kind,
            queue=queue,
            subject_id=subject_id,
            user_id=user_id,
            error_type=error_type,
            request_id=request_id,
            created_from=created_from,
            created_until=created_until,
            mine=mine,
        )
        return await service.list_jobs(subject, wanted, cursor=cursor, limit=limit)

    @get("/{job_id:uuid}", opt=signed_in())
    async def get_job(self, subject: CurrentSubject, job_id: FromPath[JobId]) -> JobView:
        """One job."""
        return await service.get_job(subject, job_id)

    @get(
        "/{job_id:uuid}/events",
        opt=signed_in(),
        responses={
            200: ResponseSpec(JobEvents, description="events so far; as text/event-stream they go on to the end")
        },
    )
    async def read_events(
        self,
        subject: CurrentSubject,
        job_id: FromPath[JobId],
        request: AnyRequest,
        after: QueryNumber = 0,
        last_event_id: LastEventId = None,
    ) -> Response[Any]:
        """What has happened since event `after`: at once as JSON, or live with `Accept: text/event-stream`."""
        if last_event_id and last_event_id.isdigit():
            after = max(after, int(last_event_id))
        first = await service.read_events(subject, job_id, after)
        if EVENT_STREAM not in request.headers.get("accept", ""):
            return Response(first)
        state = request.app.state
        draining: asyncio.Event = state.draining
        return Stream(
            event_stream(subject, job_id, first, state.job_watches, draining),
            media_type=EVENT_STREAM,
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @post("/{job_id:uuid}/cancel", opt=signed_in(), status_code=HTTP_202_ACCEPTED)
    async def cancel_job(self, subject: CurrentSubject, job_id: FromPath[JobId]) -> JobView:
        """Ask a job to stop."""
        return await service.cancel_job(subject, job_id)


@websocket(ROUTE, opt=own_authentication())
async def job_socket(socket: WebSocket[Any, Any, Any]) -> None:
    """Follow jobs over one socket; its frames are described in `backend.jobs.socket`."""
    state = socket.app.state
    await serve_socket(
        socket, lambda end: JobSocket(end, state.job_watches, state.gate, state.job_sockets, state.draining).run()
    )
