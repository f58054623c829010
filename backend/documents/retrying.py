"""A dead ingestion that an operator starts again: its document is being read again, and says so."""

from backend.documents.jobs import INGEST, IngestArgs
from backend.jobs.errors import JobObsolete
from backend.jobs.retries import on_retry
from backend.kit.subject import Subject
from db.jobs import EndedJob
from db.repositories import documents
from db.unit_of_work import UnitOfWork


@on_retry(INGEST)
async def ingestion_retried(uow: UnitOfWork, subject: Subject, job: EndedJob, args: IngestArgs) -> None:
    """Take the failure from the document's version.

    Raises:
        JobObsolete: the document is gone, has a newer version, or was read meanwhile.
    """
    document = await documents.get(args.document_id, job.tenant_id, lock=True)
    version = await documents.version(args.document_id, args.version)
    if document is None or version is None:
        raise JobObsolete("The document has been deleted.")
    if document.latest_version != args.version:
        raise JobObsolete("The document has a newer version.")
    if version.state != "failed":
        raise JobObsolete("Another job has read the document meanwhile.")
    await documents.requeue_version(uow, args.document_id, args.version, job.job_id)
    about = {"document_id": str(args.document_id), "version": args.version}
    await uow.audit(subject, "document.reingested", about)
