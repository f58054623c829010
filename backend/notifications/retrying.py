"""A dead delivery that an operator starts again: the message waits to be sent, and says so."""

from backend.jobs.errors import JobObsolete
from backend.jobs.retries import on_retry
from backend.kit.subject import Subject
from backend.notifications.jobs import DELIVER, DeliverArgs
from db.jobs import EndedJob
from db.repositories import webhook_deliveries as deliveries
from db.unit_of_work import UnitOfWork


@on_retry(DELIVER)
async def delivery_retried(uow: UnitOfWork, subject: Subject, job: EndedJob, args: DeliverArgs) -> None:
    """Let the delivery that has failed begin anew.

    Raises:
        JobObsolete: the webhook is gone, or the message was delivered meanwhile.
    """
    message = await deliveries.message(args.delivery_id)
    if message is None:
        raise JobObsolete("The webhook has been deleted.")
    if message.state != "failed" or not await deliveries.reopen(uow, args.delivery_id):
        raise JobObsolete("The message has been delivered meanwhile.")
    await deliveries.set_job(uow, args.delivery_id, job.job_id)
    about = {"webhook_id": str(args.endpoint_id), "delivery_id": str(args.delivery_id)}
    await uow.audit(subject, "webhook.delivery_replayed", about)
