"""What operators see of jobs and do about them."""

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from backend.jobs import operations
from backend.jobs.queues import READ, WRITE
from backend.jobs.schemas import BulkAct, BulkOutcome, DeadGroup, JobTimeline, JobView, JobWaiting, NewPriority
from backend.kit.http import CurrentSubject, permission
from backend.kit.pagination import Page
from ops.runtime.ids import JobId


class JobOperationsController(Controller):
    path = "/api/v1/jobs"
    tags = ("operations",)

    @get("/dead", opt=permission(READ))
    async def list_dead(self, subject: CurrentSubject) -> Page[DeadGroup]:
        """The tenant's dead jobs by kind and type of error, the most frequent first."""
        return Page(items=await operations.dead_groups(subject))

    @post("/bulk", opt=permission(WRITE), status_code=HTTP_200_OK)
    async def act_on_many(self, subject: CurrentSubject, data: JSONBody[BulkAct]) -> BulkOutcome:
        """Do the same to up to 1,000 jobs, or with `preview` tell what would be done. After `next_after` the same call goes on."""
        return await operations.act_on_many(subject, data)

    @get("/{job_id:uuid}/timeline", opt=permission(READ))
    async def get_timeline(self, subject: CurrentSubject, job_id: FromPath[JobId]) -> JobTimeline:
        """How a job came about, and each of its attempts."""
        return await operations.timeline(subject, job_id)

    @get("/{job_id:uuid}/waiting", opt=permission(READ))
    async def why_waiting(self, subject: CurrentSubject, job_id: FromPath[JobId]) -> JobWaiting:
        """Why a job has not started; no reasons for one that runs, has ended, or is about to start."""
        return await operations.why_waiting(subject, job_id)

    @post("/{job_id:uuid}/retry", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def retry_job(self, subject: CurrentSubject, job_id: FromPath[JobId]) -> JobView:
        """Start a dead job, or one that waits for its time, now."""
        return await operations.retry_job(subject, job_id)

    @post("/{job_id:uuid}/discard", opt=permission(WRITE), status_code=HTTP_202_ACCEPTED)
    async def discard_job(self, subject: CurrentSubject, job_id: FromPath[JobId]) -> JobView:
        """End a job that waits, or take a dead one from the list of the dead."""
        return await operations.discard_job(subject, job_id)

    @post("/{job_id:uuid}/priority", opt=permission(WRITE), status_code=HTTP_200_OK)
    async def set_priority(
        self, subject: CurrentSubject, job_id: FromPath[JobId], data: JSONBody[NewPriority]
    ) -> JobView:
        """Move a job that has not started within its queue; the lowest number goes first."""
        return await operations.set_priority(subject, job_id, data.priority)
