"""The routes of jobs, queues and schedules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from backend.jobs import jobs as kinds
from backend.jobs.controller.figures import FigureController
from backend.jobs.controller.jobs import JobController, job_socket
from backend.jobs.controller.operations import JobOperationsController
from backend.jobs.controller.queues import QueueController
from backend.jobs.controller.schedules import ScheduleController
from backend.jobs.controller.workers import WorkerController
from backend.jobs.figures import FigureBoard
from backend.jobs.watching import JobWatches
from backend.kit.sockets import SocketCount


@asynccontextmanager
async def open_watches(app: Litestar) -> AsyncIterator[None]:
    """Let those who watch the same job, or the same queues, share one look at it."""
    app.state.job_watches = JobWatches()
    app.state.job_sockets = SocketCount()
    app.state.figure_board = FigureBoard()
    yield


controllers = [
    JobController,
    job_socket,
    JobOperationsController,
    QueueController,
    FigureController,
    ScheduleController,
    WorkerController,
]
lifespans = [open_watches]

__all__ = ["controllers", "kinds", "lifespans"]  # whoever serves schedules knows the kinds that can be scheduled
