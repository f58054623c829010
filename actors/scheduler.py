"""Fires the schedules that are due; the leading clock does so each second."""

from actors.context import log_failure
from backend.jobs import firing
from db.errors import DatabaseUnavailable
from db.repositories import schedules
from ops.runtime.context import bind_request, new_request_id
from ops.runtime.logging import get_logger

log = get_logger(__name__)


async def fire_due() -> None:
    """Fire each schedule whose time has come; one that fails holds up no other."""
    for seen in await schedules.due():
        try:
            with bind_request(new_request_id()):
                for made in await firing.fire(seen):
                    job_id = None if made.job_id is None else str(made.job_id)
                    log.info("schedule_fired", schedule_id=str(seen.id), cause=made.cause, job_id=job_id)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one raises, the others are due as well
            log_failure(log, "schedule_not_fired", error, schedule_id=str(seen.id))
