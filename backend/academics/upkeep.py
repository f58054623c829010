"""Courses, semesters, faculties and enrolments past their dates, from the inside out: nothing goes before what it holds."""

from collections.abc import Awaitable, Callable
from functools import partial

from backend.kit.purging import PURGE_BATCH, note_purged, purge_each
from db.repositories import retention
from db.repositories.retention import DueRow
from db.unit_of_work import UnitOfWork, unit_of_work

PurgeRows = Callable[[UnitOfWork, int], Awaitable[list[DueRow]]]


async def purge_courses() -> int:
    """Empty courses that were deleted 30 days ago and whose documents are destroyed; return how many of one batch.

    Conversations about a course are their person's and stay; what they cite of it is withdrawn.
    """
    return await purge_each(await retention.due_courses(PURGE_BATCH), _purge_course)


async def _purge_course(due: DueRow) -> bool:
    async with unit_of_work() as uow:
        gone = await retention.purge_course(uow, due.id)
        if gone:
            await uow.audit(None, "course.purged", {"course_id": due.id}, tenant_id=due.tenant_id)
    return gone


async def _purge_rows(action: str, purge: PurgeRows) -> int:
    async with unit_of_work() as uow:
        return await note_purged(uow, action, await purge(uow, PURGE_BATCH))


purge_enrolments = partial(_purge_rows, "enrolments.purged", retention.purge_enrolments)
purge_bare_courses = partial(_purge_rows, "courses.removed", retention.purge_bare_courses)
purge_semesters = partial(_purge_rows, "semesters.purged", retention.purge_semesters)
purge_faculties = partial(_purge_rows, "faculties.purged", retention.purge_faculties)
