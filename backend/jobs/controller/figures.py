"""The figures of the queues: now, live, and over time."""

import asyncio
from typing import Annotated, Any

from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from backend.jobs import figures
from backend.jobs.figure_stream import figure_stream
from backend.jobs.figures import Hours, QueueFigures, QueueHistory
from backend.jobs.queues import READ
from backend.kit.http import CurrentSubject, permission
from backend.kit.pagination import Page

AnyRequest = Request[Any, Any, Any]
EVENT_STREAM = "text/event-stream"

QueueName = Annotated[str, QueryParameter(max_length=20)]
LastHours = Annotated[Hours, QueryParameter(description="how far back")]


class FigureController(Controller):
    path = "/api/v1/ops/queues"
    tags = ("operations",)

    @get(
        "/figures",
        opt=permission(READ),
        responses={
            200: ResponseSpec(
                Page[QueueFigures], description="the figures of now; as text/event-stream again every 2 s"
            )
        },
    )
    async def get_figures(self, subject: CurrentSubject, request: AnyRequest) -> Response[Any]:
        """How each of the tenant's queues does: at once as JSON, or live with `Accept: text/event-stream`."""
        if EVENT_STREAM not in request.headers.get("accept", ""):
            return Response(Page(items=await figures.queue_figures(subject)))
        subject.require(READ)
        state = request.app.state
        draining: asyncio.Event = state.draining
        return Stream(
            figure_stream(subject, state.figure_board, draining),
            media_type=EVENT_STREAM,
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    @get("/history", opt=permission(READ))
    async def get_history(self, subject: CurrentSubject, queue: QueueName, hours: LastHours = 1) -> QueueHistory:
        """A queue over the last 1, 24 or 168 hours."""
        return await figures.queue_history_of(subject, queue, hours)
