"""Workers, and their drain."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_202_ACCEPTED

from backend.jobs import workers
from backend.jobs.queues import READ, WRITE
from backend.jobs.schemas import WorkerView
from backend.kit.http import CurrentSubject, permission
from backend.kit.pagination import Page


class WorkerController(Controller):
    path = "/api/v1/workers"
    tags = ("operations",)

    @get(opt=permission(READ))
    async def list_workers(self, subject: CurrentSubject) -> Page[WorkerView]:
        """The workers there are, and those that stopped within a quarter of an hour; `jobs` are the tenant's."""
        return Page(items=await workers.list_workers(subject))

    @post("/{worker_id:uuid}/drain", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def drain_worker(self, subject: CurrentSubject, worker_id: FromPath[UUID]) -> WorkerView:
        """Have a worker take nothing new, finish or hand back what it does, and end."""
        return await workers.drain_worker(subject, worker_id)
