"""Queues: what is in them, pause and resume."""

from litestar import Controller, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from backend.jobs import queues
from backend.kit.http import CurrentSubject, permission
from backend.kit.pagination import Page
from db.repositories.queues import QueueRow


class QueueController(Controller):
    path = "/api/v1/ops/queues"
    tags = ("operations",)

    @get(opt=permission(queues.READ))
    async def list_queues(self, subject: CurrentSubject) -> Page[QueueRow]:
        """The tenant's queues."""
        return Page(items=await queues.list_queues(subject))

    @post("/{queue:str}/pause", opt=permission(queues.WRITE), status_code=HTTP_200_OK)
    async def pause_queue(self, subject: CurrentSubject, queue: FromPath[str]) -> QueueRow:
        """Start nothing of the tenant's queue any more; what runs goes on."""
        return await queues.pause(subject, queue)

    @post("/{queue:str}/resume", opt=permission(queues.WRITE), status_code=HTTP_200_OK)
    async def resume_queue(self, subject: CurrentSubject, queue: FromPath[str]) -> QueueRow:
        """Start jobs of the queue again."""
        return await queues.resume(subject, queue)
