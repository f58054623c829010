"""Who may start when a job has ended: its parent, its successor, and whoever waited for its place.

All of it is found by the clock as well, a second or two later: what fails here is only slower.
"""

from db.dispatch import Dispatch, dispatcher
from db.errors import DatabaseError
from db.jobs import Claim
from db.repositories import job_families, job_upkeep
from ops.runtime.logging import get_logger

log = get_logger(__name__)


async def bring_forward(ended: Claim) -> None:
    """Free and push those who waited for the end of this attempt."""
    try:
        freed, next_jobs = await job_families.after(ended)
        rows = {row.id: row for row in (*freed, *next_jobs)}
        if not rows:
            return
        sender = dispatcher()
        if sender is not None and await sender.push([Dispatch(row.kind, row.queue, row.id) for row in rows.values()]):
            await job_upkeep.mark_pushed(freed)
            return
        for job_id in rows:
            await job_upkeep.forget_push(job_id)
    except DatabaseError as error:
        log.info("left_to_the_clock", error=type(error).__name__)
