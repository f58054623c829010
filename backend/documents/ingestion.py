"""From an uploaded file to passages that can be found: parsing, chunking, embedding, indexing, ready.

Every step may be repeated: results are artefacts keyed by the file's bytes, passages and points have ids made of document,
version and place, and nothing is visible before one transaction makes the version ready, serves it and ends the job.
"""

import asyncio
from uuid import UUID

from backend.documents.access import WRITE
from backend.documents.artefacts import Artefacts
from backend.documents.embedding import Embedding, embed_passages
from backend.documents.events import DOCUMENT_READY, DocumentReady
from backend.documents.jobs import PRUNE, IngestArgs, PruneArgs
from backend.documents.local_copy import local_copy
from backend.documents.points import INDEX_BATCH, passage_points
from backend.documents.schemas import State
from backend.documents.tools import DocumentTools
from backend.jobs.attempt import Attempt, Job
from backend.jobs.errors import JobStopped, PermanentFailure
from backend.kit.subject import CourseRef, Subject
from db.repositories import documents, ingestion, passages
from db.repositories.ingestion import ReadyFacts, WorkRow
from db.repositories.passages import PassageRow
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.ids import CourseId, DocumentId, FacultyId
from ops.runtime.logging import get_logger
from rag.chunk import chunk
from rag.parse import ParsedDocument, ParseFailure, ParseLimits, parse_document
from rag.store import passage_point_id

log = get_logger(__name__)


class CourseChanged(Exception):
    """The course moved or was deleted while the document was read; the next attempt sees where it stands."""


async def ingest(job: Job[IngestArgs, DocumentTools]) -> None:
    """Make the version ready.

    Raises:
        JobStopped: the document was deleted, or somebody asked to cancel.
        PermanentFailure: the file cannot be used; `type` is the failure's.
        NotFound, PermissionMissing: the person may no longer change the document.
    """
    row = await ingestion.work(job.args.document_id, job.args.version)
    if row is None:
        raise JobStopped
    subject = _allowed(job.subject, row)
    await _Ingestion(job.attempt, job.tools, subject, row).run()


class _Ingestion:
    def __init__(self, attempt: Attempt, tools: DocumentTools, subject: Subject, row: WorkRow) -> None:
        self._attempt = attempt
        self._tools = tools
        self._subject = subject
        self._row = row
        self._artefacts = Artefacts(tools.objects, row.tenant_id, row.sha256, row.media_type)

    async def run(self) -> None:
        parsed = await self._parse()
        rows = await self._chunk(parsed)
        embedding = await self._embed(rows)
        await self._index(rows, embedding)
        await self._finish(parsed, rows, embedding)

    async def _report(self, state: State, done: int = 0, total: int = 0) -> None:
        row = self._row

        async def also(uow: UnitOfWork) -> None:
            await ingestion.set_progress(uow, row.document_id, row.version, state, done, total)

        await self._attempt.report(state, done, total, also)

    async def _parse(self) -> ParsedDocument:
        self._attempt.begin("parsing")
        await self._report("parsing")
        parsed = await self._artefacts.parsed()
        if parsed is None:
            limits = ParseLimits(file_bytes=self._tools.max_file_bytes)
            try:
                async with local_copy(self._tools.objects, self._artefacts.original_key) as path:
                    parsed = await parse_document(
                        path, file_name=self._row.file_name, limits=limits, required=self._tools.required_walls
                    )
            except ParseFailure as failure:
                log.info("document_not_readable", failure=failure.type, cause=failure.cause)
                raise PermanentFailure(failure.type, failure.detail) from failure
            await self._artefacts.put_parsed(parsed)
        self._attempt.end("parsing")
        return parsed

    async def _chunk(self, parsed: ParsedDocument) -> list[PassageRow]:
        self._attempt.begin("chunking")
        await self._report("chunking", 0, len(parsed.pages))
        row = self._row
        rows = await asyncio.to_thread(_passage_rows, parsed, row.document_id, row.version)
        if not rows:
            failure = ParseFailure("empty")
            raise PermanentFailure(failure.type, failure.detail)
        async with unit_of_work() as uow:
            await self._attempt.fence(uow)
            await passages.replace(uow, row.tenant_id, row.course_id, row.document_id, row.version, rows)
        self._attempt.end("chunking")
        return rows

    async def _embed(self, rows: list[PassageRow]) -> Embedding:
        self._attempt.begin("embedding")
        await self._report("embedding", 0, len(rows))
        info = await self._tools.gateway.model_info()

        async def progress(done: int, total: int) -> None:
            await self._report("embedding", done, total)

        embedding = await embed_passages(
            rows, info, self._row.tenant_id, self._tools.gateway, self._artefacts, progress
        )
        self._attempt.end("embedding")
        return embedding

    async def _index(self, rows: list[PassageRow], embedding: Embedding) -> None:
        self._attempt.begin("indexing")
        await self._tools.vectors.ensure_collection(embedding.model, embedding.dimensions)
        for start in range(0, len(rows), INDEX_BATCH):
            await self._report("indexing", start, len(rows))
            batch = rows[start : start + INDEX_BATCH]
            points = await asyncio.to_thread(passage_points, self._row, batch, embedding.vectors)
            await self._tools.vectors.upsert(points)
        await self._report("indexing", len(rows), len(rows))
        self._attempt.end("indexing")

    async def _finish(self, parsed: ParsedDocument, rows: list[PassageRow], embedding: Embedding) -> None:
        self._attempt.begin("ready")
        row = self._row
        async with unit_of_work() as uow:
            await self._attempt.fence(uow)
            previous = await ingestion.serve(uow, row, _facts(parsed, rows, embedding))
            if previous is None:
                raise CourseChanged
            newest = max(previous, row.version)
            await passages.delete_versions(uow, row.document_id, from_version=1, to_version=newest - 1)
            await documents.supersede(uow, row.document_id, below_version=newest)
            about = {"document_id": str(row.document_id), "version": row.version, "passages": len(rows)}
            await uow.audit(self._subject, "document.ready", about)
            ready = DocumentReady(
                document_id=row.document_id, course_id=row.course_id, version=row.version, passages=len(rows)
            )
            await uow.emit(DOCUMENT_READY, ready, subject=self._subject, subject_id=row.document_id)
            if newest > 1:
                prune = PruneArgs(document_id=DocumentId(row.document_id))
                await uow.enqueue(PRUNE, prune, subject=self._subject, subject_id=row.document_id)
            await self._attempt.succeed(uow)
        self._attempt.end("ready")


def _allowed(subject: Subject | None, row: WorkRow) -> Subject:
    """Return the subject if it may still change the course's documents."""
    if subject is None:
        raise PermanentFailure("person-gone", "Whoever uploaded the file has no account any more.")
    subject.require(WRITE, CourseRef(CourseId(row.course_id), FacultyId(row.faculty_id)))
    return subject


def _passage_rows(parsed: ParsedDocument, document_id: UUID, version: int) -> list[PassageRow]:
    return [
        PassageRow(
            id=passage_point_id(document_id, version, passage.ordinal),
            ordinal=passage.ordinal,
            page=passage.page,
            heading=passage.heading,
            char_start=passage.char_start,
            char_end=passage.char_end,
            text=passage.text,
            language=passage.language,
            has_dense=False,
        )
        for passage in chunk(parsed)
    ]


def _facts(parsed: ParsedDocument, rows: list[PassageRow], embedding: Embedding) -> ReadyFacts:
    languages = sorted({row.language for row in rows})
    return ReadyFacts(
        page_count=len(parsed.pages) or None,
        char_count=len(parsed.text),
        passage_count=len(rows),
        dense_count=len(embedding.vectors),
        languages=languages,
        dense_languages=[language for language in languages if embedding.knows(language)],
        parser_version=parsed.parser_version,
        embedding_model=embedding.model,
    )
