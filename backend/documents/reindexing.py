"""Keeps the index complete when it was lost, or when another embedder was set: the passages' text is in Postgres."""

import asyncio

import msgspec

from backend.documents.artefacts import Artefacts
from backend.documents.embedding import embed_passages, model_name
from backend.documents.ingestion import CourseChanged
from backend.documents.jobs import REINDEX, ReindexArgs
from backend.documents.points import INDEX_BATCH, passage_points
from backend.documents.tools import DocumentTools
from backend.jobs.attempt import Job
from backend.jobs.errors import JobStopped
from db.repositories import ingestion, passages
from db.repositories.ingestion import ServedRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import DocumentId, TenantId, UserId


class Owner(msgspec.Struct, frozen=True):
    """The tenant as the one that acts: nobody asked for this."""

    tenant_id: TenantId
    user_id: UserId | None = None


async def keep_index(tools: DocumentTools) -> int:
    """Make the present embedder's collection the one that is searched, and have points made that it lacks.

    Returns:
        How many documents will be indexed anew.

    Raises:
        GatewayError, VectorStoreUnavailable: to be tried again later.
    """
    info = await tools.gateway.model_info()
    model = model_name(info)
    await tools.vectors.ensure_collection(model, info.dimensions)
    served = await ingestion.served_versions()
    if all(row.embedding_model == model for row in served):
        expected = sum(row.passage_count for row in served)
        if await tools.vectors.count() >= expected:
            return 0
    lacking = [row for row in served if row.embedding_model != model or not await _is_complete(tools, row)]
    for row in lacking:
        args = ReindexArgs(document_id=DocumentId(row.document_id), model=model)
        async with unit_of_work() as uow:
            await uow.enqueue(REINDEX, args, subject=Owner(TenantId(row.tenant_id)), subject_id=row.document_id)
    return len(lacking)


async def reindex(job: Job[ReindexArgs, DocumentTools]) -> None:
    """Make the points of the version that is served, with the vectors of the present embedder.

    Raises:
        JobStopped: the document was deleted, or somebody asked to cancel.
    """
    served = await ingestion.served_version(job.args.document_id)
    row = await ingestion.work(job.args.document_id, served) if served is not None else None
    if row is None:
        raise JobStopped
    rows = await passages.page(row.document_id, row.version, limit=None)
    artefacts = Artefacts(job.tools.objects, row.tenant_id, row.sha256, row.media_type)
    info = await job.tools.gateway.model_info()

    async def progress(done: int, total: int) -> None:
        await job.attempt.report("embedding", done, total)

    embedding = await embed_passages(rows, info, row.tenant_id, job.tools.gateway, artefacts, progress)
    await job.tools.vectors.ensure_collection(embedding.model, embedding.dimensions)
    for start in range(0, len(rows), INDEX_BATCH):
        await job.attempt.report("indexing", start, len(rows))
        batch = rows[start : start + INDEX_BATCH]
        await job.tools.vectors.upsert(await asyncio.to_thread(passage_points, row, batch, embedding.vectors))
    async with unit_of_work() as uow:
        await job.attempt.fence(uow)
        known = sorted({passage.language for passage in rows if embedding.knows(passage.language)})
        await ingestion.set_model(uow, row, embedding.model, known, len(embedding.vectors))
        if not await ingestion.change_document_set(uow, row):
            raise CourseChanged
        await job.attempt.succeed(uow)


async def _is_complete(tools: DocumentTools, row: ServedRow) -> bool:
    return await tools.vectors.count(document_id=row.document_id) >= row.passage_count
