"""Events: their kinds, who consumes them, and what was given up."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED

from backend.jobs.queues import READ, WRITE
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, QueryText, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page
from backend.notifications import bus, endpoints
from backend.notifications.schemas import EventKindView, ReplayDead, Replayed
from db.repositories.events import ConsumerRow, DeadRow


class EventController(Controller):
    path = "/api/v1/events"
    tags = ("events",)

    @get("/kinds", opt=permission(endpoints.READ), sync_to_thread=False)
    def list_kinds(self) -> Page[EventKindView]:
        """What webhooks can be told of."""
        return Page(items=bus.list_kinds())

    @get("/consumers", opt=permission(READ))
    async def list_consumers(self, subject: CurrentSubject) -> Page[ConsumerRow]:
        """Who consumes events, and how far they are with those of the institution."""
        return Page(items=await bus.list_consumers(subject))

    @get("/dead", opt=permission(READ))
    async def list_dead(
        self,
        subject: CurrentSubject,
        consumer: QueryText = None,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[DeadRow]:
        """Events that a consumer could not handle and gave up, newest first."""
        return await bus.list_dead(subject, consumer=consumer, cursor=cursor, limit=limit)

    @post("/dead/replay", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def replay_all_dead(self, subject: CurrentSubject, data: JSONBody[ReplayDead]) -> Replayed:
        """Try all of them again, or those of one consumer."""
        return await bus.replay_all_dead(subject, data.consumer)

    @post("/dead/{dead_id:uuid}/replay", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def replay_dead(self, subject: CurrentSubject, dead_id: FromPath[UUID]) -> Replayed:
        """Try one of them again."""
        return await bus.replay_dead(subject, dead_id)
