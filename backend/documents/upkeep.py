"""What follows in the index and the store when an ingestion ends without success, a course moves, or a document is gone."""

from backend.academics.jobs import CourseMovedArgs
from backend.documents.events import DOCUMENT_FAILED, DocumentFailed
from backend.documents.failures import failure_of
from backend.documents.jobs import PRUNE, IngestArgs, PruneArgs
from backend.documents.tools import DocumentTools
from backend.jobs.attempt import Job
from backend.kit.purging import PURGE_BATCH, note_purged, purge_each
from db.jobs import EndedJob
from db.repositories import documents, ingestion
from db.repositories.documents import DeletedRow
from db.repositories.retention import purge_uncited_documents
from db.unit_of_work import UnitOfWork, unit_of_work
from inference_gateway.purge import purge_answers
from ops.runtime.objects import ObjectStore, derived_key, original_key
from rag.store import VectorStore


async def ingestion_ended(uow: UnitOfWork, job: EndedJob, args: IngestArgs) -> None:
    """Say on the document why it is not ready, in the transaction that ends the job, and have its points removed."""
    failure_type, detail = failure_of(job.error)
    await ingestion.set_failed(uow, args.document_id, args.version, failure_type, detail)
    about = {"document_id": str(args.document_id), "version": args.version, "failure": failure_type}
    await uow.audit(job, "document.failed" if job.error else "document.ingestion_cancelled", about)
    if job.error is not None:
        failed = DocumentFailed(document_id=args.document_id, version=args.version, failure=failure_type)
        await uow.emit(DOCUMENT_FAILED, failed, subject=job, subject_id=args.document_id)
    await uow.enqueue(PRUNE, PruneArgs(document_id=args.document_id), subject=job, subject_id=args.document_id)


async def prune(job: Job[PruneArgs, DocumentTools]) -> None:
    """Remove from the index what is not served any more: a deleted document, old versions, what failed half-way.

    With it go the answers that the gateway keeps and whose prompts quoted the document.
    Readers never saw any of it, for Postgres has the last word; it only took places among the candidates. The person who
    caused it may be gone by now: it was decided when the job was accepted.
    """
    document_id = job.args.document_id
    state = await ingestion.prune_state(document_id)
    if state is None:
        return
    await purge_answers(job.tools.redis, f"document:{document_id}")
    if state.deleted:
        await job.tools.vectors.delete_document(document_id)
        return
    if state.serving_version is not None:
        await job.tools.vectors.delete_document(document_id, below_version=state.serving_version)
    if failed := await ingestion.failed_passages(document_id):
        await job.tools.vectors.delete_points(failed)
        async with unit_of_work() as uow:
            await job.attempt.fence(uow)
            await ingestion.delete_failed_passages(uow, document_id, failed)


async def follow_course(job: Job[CourseMovedArgs, DocumentTools]) -> None:
    """Give the points of a course that moved the faculty and semester it has now."""
    place = await ingestion.course_place(job.args.course_id)
    if place is not None:
        await job.tools.vectors.move_course(
            job.args.course_id, faculty_id=place.faculty_id, semester_id=place.semester_id
        )
        async with unit_of_work() as uow:
            await job.attempt.fence(uow)
            await documents.change_document_set(uow, job.args.course_id)  # what was found meanwhile lacks the course


async def purge_deleted(objects: ObjectStore, vectors: VectorStore) -> int:
    """Destroy what was deleted 30 days ago, alone or with its course; return how many documents of one batch.

    Points, passages, versions, files and everything made from them go. The row with the title stays while old answers cite it.
    """

    async def purge(document: DeletedRow) -> bool:
        return await _purge_document(objects, vectors, document)

    return await purge_each(await documents.due_for_purge(PURGE_BATCH), purge)


async def purge_uncited() -> int:
    """Delete the rows of destroyed documents that no answer cites; return how many of one batch."""
    async with unit_of_work() as uow:
        return await note_purged(uow, "documents.removed", await purge_uncited_documents(uow, PURGE_BATCH))


async def _purge_document(objects: ObjectStore, vectors: VectorStore, document: DeletedRow) -> bool:
    """Rows go last: a step that fails leaves the document due, and all of it is done again."""
    await vectors.delete_document(document.id)  # before the locks, for an index that is away takes its time to say so
    hashes = await documents.bytes_only_in(document)
    async with unit_of_work() as uow:
        await documents.hold_bytes(uow, document.tenant_id, hashes)
        if not await documents.hold_due(uow, document.id):
            return False
        # Asked again under the lock: an upload of the same bytes may have been accepted meanwhile.
        for sha256 in set(hashes).intersection(await documents.bytes_only_in(document)):
            await _destroy(objects, str(document.tenant_id), sha256.hex())
        await documents.purge(uow, document.id)
        await uow.audit(None, "document.purged", {"document_id": str(document.id)}, tenant_id=document.tenant_id)
    return True


async def _destroy(objects: ObjectStore, tenant_id: str, sha256: str) -> None:
    await objects.delete(original_key(tenant_id, sha256))
    for key in await objects.list(derived_key(tenant_id, sha256, "")):
        await objects.delete(key)
