"""Taking back deletions until the purge date: of a document, and in the index of what a course was away with.

The prune job takes a deleted document's points at a time of its own, so a restored document is always read anew, under the
same ids; until that has ended, readers have nothing of it.
"""

from uuid import UUID

from backend.academics.errors import ParentDeleted
from backend.academics.jobs import CourseRestoredArgs
from backend.documents.access import WRITE, open_deleted, open_document
from backend.documents.embedding import model_name
from backend.documents.errors import RemovalRunning, SameFileElsewhere
from backend.documents.failures import CANCELLED
from backend.documents.jobs import INGEST, PRUNE, REINDEX, IngestArgs, ReindexArgs
from backend.documents.schemas import DocumentView
from backend.documents.service import SAME_BYTES, get_document
from backend.documents.tools import DocumentTools
from backend.jobs.attempt import Job
from backend.kit.subject import Subject
from db.errors import UniqueViolation
from db.repositories import courses, documents, ingestion
from db.repositories.documents import DocumentRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import DocumentId


class PruneRunning(Exception):
    """A job that saw the course as deleted still takes points away; the next attempt sees what is left."""


async def restore_document(subject: Subject, document_id: UUID) -> DocumentView:
    """Have a deleted document read anew; one that lives is returned as it is.

    Raises:
        DocumentNotFound, PermissionMissing: see `open_document`.
        ParentDeleted: its course does not live. SameFileElsewhere: it was uploaded again meanwhile.
        RemovalRunning: jobs of the time before still have to end.
    """
    if await open_deleted(subject, document_id) is not None:
        try:
            await _restore(subject, document_id)
        except UniqueViolation as error:
            raise await _same_file(error, subject, document_id) from error
    await open_document(subject, document_id, WRITE)
    return await get_document(subject, document_id)


async def restore_index(job: Job[CourseRestoredArgs, DocumentTools]) -> None:
    """Have done again what came to nothing while the course was deleted: points that were pruned, ingestions that stopped.

    Raises:
        PruneRunning: to be tried again.
        GatewayError, VectorStoreUnavailable: likewise.
    """
    course_id = job.args.course_id
    if await ingestion.jobs_running(course_id, PRUNE.name):
        raise PruneRunning
    model = model_name(await job.tools.gateway.model_info())
    lacking = [
        DocumentId(row.document_id)
        for row in await ingestion.served_in(course_id)
        if await job.tools.vectors.count(document_id=row.document_id) < row.passage_count
    ]
    stopped = await ingestion.stopped_since(course_id, job.args.deleted_at, CANCELLED["en"])
    if job.subject is None:  # whoever restored the course is gone
        return
    async with unit_of_work() as uow:
        await job.attempt.fence(uow)
        for document_id in lacking:
            again = ReindexArgs(document_id=document_id, model=model)
            await uow.enqueue(REINDEX, again, subject=job.subject, subject_id=document_id)
        for version in stopped:
            await _ingest(uow, job.subject, version.document_id, version.version)
        await job.attempt.succeed(uow)


async def _restore(subject: Subject, document_id: UUID) -> None:
    async with unit_of_work() as uow:
        # Jobs before documents, the order in which an ingestion that ends takes its locks.
        quiet = await documents.hold_jobs(uow, document_id, INGEST.name)
        row = await open_deleted(subject, document_id, lock=True)
        if row is None:
            return
        if await courses.hold_course(uow, row.course_id, subject.tenant_id, to_change=True) is None:
            raise ParentDeleted("course")
        if not quiet:
            raise RemovalRunning
        await documents.restore(uow, document_id, row.course_id)
        about = {"document_id": str(document_id), "course_id": str(row.course_id)}
        await uow.audit(subject, "document.restored", about)
        for number in sorted({row.serving_version or row.latest_version, row.latest_version}):
            await _ingest(uow, subject, document_id, number)


async def _ingest(uow: UnitOfWork, subject: Subject, document_id: UUID, version: int) -> None:
    args = IngestArgs(document_id=DocumentId(document_id), version=version)
    job_id = await uow.enqueue(INGEST, args, subject=subject, subject_id=document_id)
    await documents.requeue_version(uow, document_id, version, job_id)


async def _same_file(error: UniqueViolation, subject: Subject, document_id: UUID) -> Exception:
    row: DocumentRow | None = await documents.get_deleted(document_id, subject.tenant_id)
    if row is not None and error.constraint == SAME_BYTES:
        for version in await documents.versions([document_id]):
            found = await documents.find_bytes(row.course_id, version.sha256)
            if found is not None:
                return SameFileElsewhere(found.document_id)
    return error
