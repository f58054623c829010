"""How far a document version's ingestion is. Everything here is written under the fence of the job that does it."""

from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.repositories.documents import FoundVersion
from db.unit_of_work import UnitOfWork


class WorkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version to ingest, and where its document belongs now."""

    tenant_id: UUID
    faculty_id: UUID
    semester_id: UUID
    course_id: UUID
    document_id: UUID
    version: int
    sha256: bytes
    file_name: str
    media_type: str
    state: str


class ReadyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a version once it is ready; passages in `dense_languages` have a dense vector."""

    page_count: int | None
    char_count: int
    passage_count: int
    dense_count: int
    languages: list[str]
    dense_languages: list[str]
    parser_version: str
    embedding_model: str


class PruneRow(msgspec.Struct, frozen=True, kw_only=True):
    """What of a document may be in the index."""

    deleted: bool
    serving_version: int | None


class ServedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version that readers find, and how many points it has to have."""

    tenant_id: UUID
    document_id: UUID
    embedding_model: str
    passage_count: int


_SERVED = """FROM documents d JOIN courses c ON c.id = d.course_id AND c.deleted_at IS NULL
             JOIN document_versions v ON v.document_id = d.id AND v.version = d.serving_version
             WHERE d.deleted_at IS NULL"""


class PlaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a course belongs."""

    faculty_id: UUID
    semester_id: UUID


async def work(document_id: UUID, version: int) -> WorkRow | None:
    """Return the version while its document and course live."""
    return await query.fetch_one(
        WorkRow,
        """SELECT v.tenant_id, c.faculty_id, c.semester_id, c.id AS course_id, v.document_id, v.version, v.sha256,
                  v.file_name, v.media_type, v.state
           FROM document_versions v JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
           JOIN courses c ON c.id = d.course_id AND c.deleted_at IS NULL
           WHERE v.document_id = $1 AND v.version = $2""",
        document_id,
        version,
    )


async def set_progress(
    uow: UnitOfWork, document_id: UUID, version: int, state: str, items_done: int, items_total: int
) -> None:
    """Record the stage and its counts."""
    del uow  # proof that a transaction is open
    await query.execute(
        """UPDATE document_versions SET state = $3, items_done = $4, items_total = $5, updated_at = now()
           WHERE document_id = $1 AND version = $2 AND state NOT IN ('ready', 'failed')""",
        document_id,
        version,
        state,
        items_done,
        items_total,
    )


async def set_failed(uow: UnitOfWork, document_id: UUID, version: int, failure_type: str, detail: str) -> bool:
    """Record why the version cannot be read; False when it is ready or gone."""
    del uow  # proof that a transaction is open
    return bool(
        await query.execute(
            """UPDATE document_versions SET state = 'failed', failure_type = $3, failure_detail = $4, updated_at = now()
               WHERE document_id = $1 AND version = $2 AND state <> 'ready'""",
            document_id,
            version,
            failure_type,
            detail,
        )
    )


async def serve(uow: UnitOfWork, row: WorkRow, facts: ReadyFacts) -> int | None:
    """Mark the version ready and let readers see it, unless a newer one is served; return the version served before, or 0.

    None means that the document was deleted, or its course deleted or moved since `row` was read: nothing may be committed.
    """
    previous = await query.fetch_one(
        PruneRow,
        "SELECT deleted_at IS NOT NULL AS deleted, serving_version FROM documents WHERE id = $1 FOR UPDATE",
        row.document_id,
    )
    if previous is None or previous.deleted or not await change_document_set(uow, row):
        return None
    await query.execute(
        "UPDATE documents SET serving_version = greatest(serving_version, $2), updated_at = now() WHERE id = $1",
        row.document_id,
        row.version,
    )
    await _mark_ready(row, facts)
    return previous.serving_version or 0


async def change_document_set(uow: UnitOfWork, row: WorkRow) -> bool:
    """Make cached results over the course stale; False when it was deleted or moved since `row` was read."""
    del uow  # proof that a transaction is open
    return bool(
        await query.execute(
            """UPDATE courses SET document_set_version = document_set_version + 1
               WHERE id = $1 AND faculty_id = $2 AND semester_id = $3 AND deleted_at IS NULL""",
            row.course_id,
            row.faculty_id,
            row.semester_id,
        )
    )


async def _mark_ready(row: WorkRow, facts: ReadyFacts) -> None:
    await _mark_dense(row, facts.dense_languages)
    await query.execute(
        """UPDATE document_versions SET state = 'ready', ready_at = now(), updated_at = now(), items_done = $5, items_total = $5,
                  page_count = $3, char_count = $4, passage_count = $5, dense_count = $6, languages = $7,
                  parser_version = $8, embedding_model = $9 WHERE document_id = $1 AND version = $2""",
        row.document_id,
        row.version,
        facts.page_count,
        facts.char_count,
        facts.passage_count,
        facts.dense_count,
        facts.languages,
        facts.parser_version,
        facts.embedding_model,
    )


async def course_place(course_id: UUID) -> PlaceRow | None:
    """Return where a course is now."""
    return await query.fetch_one(PlaceRow, "SELECT faculty_id, semester_id FROM courses WHERE id = $1", course_id)


async def prune_state(document_id: UUID) -> PruneRow | None:
    """Return what of a document may be in the index; None for a document that never was."""
    return await query.fetch_one(
        PruneRow,
        """SELECT d.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL AS deleted, d.serving_version
           FROM documents d JOIN courses c ON c.id = d.course_id WHERE d.id = $1""",
        document_id,
    )


async def failed_passages(document_id: UUID) -> list[UUID]:
    """Return ids of passages of versions whose ingestion failed half-way."""
    return await query.fetch_values(
        """SELECT p.id FROM passages p JOIN document_versions v ON v.document_id = p.document_id AND v.version = p.version
           WHERE p.document_id = $1 AND v.state = 'failed' ORDER BY p.id""",
        document_id,
    )


async def delete_failed_passages(uow: UnitOfWork, document_id: UUID, passage_ids: list[UUID]) -> None:
    """Delete those passages whose version still is one that failed: it may have been started again."""
    del uow  # proof that a transaction is open
    await query.execute(
        """DELETE FROM passages p USING document_versions v
           WHERE v.document_id = p.document_id AND v.version = p.version AND p.document_id = $1 AND v.state = 'failed'
             AND p.id = ANY($2)""",
        document_id,
        passage_ids,
    )


async def served_versions() -> list[ServedRow]:
    """Return what readers of all tenants can find now, and the embedder of its vectors."""
    return await query.fetch(
        ServedRow,
        f"SELECT d.tenant_id, d.id AS document_id, v.embedding_model, v.passage_count {_SERVED} ORDER BY d.id",
    )


async def served_in(course_id: UUID) -> list[ServedRow]:
    """As `served_versions`, of one course."""
    return await query.fetch(
        ServedRow,
        f"""SELECT d.tenant_id, d.id AS document_id, v.embedding_model, v.passage_count {_SERVED} AND d.course_id = $1
            ORDER BY d.id""",
        course_id,
    )


async def stopped_since(course_id: UUID, moment: datetime, detail: str) -> list[FoundVersion]:
    """Return the latest versions of the course's documents that failed with `detail` at `moment` or later."""
    return await query.fetch(
        FoundVersion,
        """SELECT v.document_id, v.version FROM documents d
           JOIN document_versions v ON v.document_id = d.id AND v.version = d.latest_version
           WHERE d.course_id = $1 AND d.deleted_at IS NULL AND v.state = 'failed' AND v.updated_at >= $2
             AND v.failure_detail = $3 ORDER BY d.id""",
        course_id,
        moment,
        detail,
    )


async def jobs_running(course_id: UUID, kind: str) -> int:
    """Return how many jobs of a kind run now for documents of the course."""
    return int(
        await query.fetch_value(
            """SELECT count(*) FROM jobs j JOIN documents d ON d.id = j.subject_id
               WHERE d.course_id = $1 AND j.kind = $2 AND j.state = 'running'""",
            course_id,
            kind,
        )
    )


async def served_version(document_id: UUID) -> int | None:
    """Return the version of a live document that readers see."""
    found: int | None = await query.fetch_value(f"SELECT v.version {_SERVED} AND d.id = $1", document_id)
    return found


async def set_model(uow: UnitOfWork, row: WorkRow, model: str, dense_languages: list[str], dense_count: int) -> None:
    """Record which embedder made the version's vectors."""
    del uow  # proof that a transaction is open
    await _mark_dense(row, dense_languages)
    await query.execute(
        """UPDATE document_versions SET embedding_model = $3, dense_count = $4, updated_at = now()
           WHERE document_id = $1 AND version = $2""",
        row.document_id,
        row.version,
        model,
        dense_count,
    )


async def _mark_dense(row: WorkRow, dense_languages: list[str]) -> None:
    await query.execute(
        "UPDATE passages SET has_dense = language = ANY($3) WHERE document_id = $1 AND version = $2",
        row.document_id,
        row.version,
        dense_languages,
    )
