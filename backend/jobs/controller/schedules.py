"""Schedules: jobs by the clock."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_202_ACCEPTED

from backend.jobs import schedules
from backend.jobs.queues import READ, WRITE
from backend.jobs.schemas import DueTimes, NewSchedule, ScheduleChange, ScheduleView
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page
from db.repositories.schedules import FiringRow

CronQuery = Annotated[str, QueryParameter(min_length=1, max_length=200)]
TimeZoneQuery = Annotated[str, QueryParameter(min_length=1, max_length=64)]


class ScheduleController(Controller):
    path = "/api/v1/ops/schedules"
    tags = ("operations",)

    @get(opt=permission(READ))
    async def list_schedules(
        self, subject: CurrentSubject, cursor: PageCursor = None, limit: PageLimit = DEFAULT_LIMIT
    ) -> Page[ScheduleView]:
        """The tenant's schedules."""
        return await schedules.list_schedules(subject, cursor=cursor, limit=limit)

    @post(opt=permission(WRITE), status_code=HTTP_201_CREATED)
    async def create_schedule(self, subject: CurrentSubject, data: JSONBody[NewSchedule]) -> ScheduleView:
        """Make a schedule; its jobs have one's own rights."""
        return await schedules.create_schedule(subject, data)

    @get("/times", opt=permission(READ), responses={422: ResponseSpec(None, description="never due")})
    async def next_times(self, subject: CurrentSubject, cron: CronQuery, timezone: TimeZoneQuery = "UTC") -> DueTimes:
        """When a cron expression is due next."""
        return await schedules.next_times(subject, cron, timezone)

    @get("/{schedule_id:uuid}", opt=permission(READ))
    async def get_schedule(self, subject: CurrentSubject, schedule_id: FromPath[UUID]) -> ScheduleView:
        """One schedule."""
        return await schedules.get_schedule(subject, schedule_id)

    @patch("/{schedule_id:uuid}", opt=permission(WRITE))
    async def change_schedule(
        self, subject: CurrentSubject, schedule_id: FromPath[UUID], data: JSONBody[ScheduleChange]
    ) -> ScheduleView:
        """Change a schedule; what is left out stays."""
        return await schedules.change_schedule(subject, schedule_id, data)

    @delete("/{schedule_id:uuid}", opt=permission(WRITE))
    async def delete_schedule(self, subject: CurrentSubject, schedule_id: FromPath[UUID]) -> None:
        """Delete a schedule and its history."""
        await schedules.delete_schedule(subject, schedule_id)

    @post("/{schedule_id:uuid}/run", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def run_schedule(self, subject: CurrentSubject, schedule_id: FromPath[UUID]) -> FiringRow:
        """Make the schedule's job now."""
        return await schedules.run_now(subject, schedule_id)

    @get("/{schedule_id:uuid}/firings", opt=permission(READ))
    async def list_firings(
        self,
        subject: CurrentSubject,
        schedule_id: FromPath[UUID],
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[FiringRow]:
        """What became of the schedule's due times, newest first."""
        return await schedules.list_firings(subject, schedule_id, cursor=cursor, limit=limit)
