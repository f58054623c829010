"""Documents and their versions as readers see them, and what people change about them."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork

PURGE_DAYS = 30


class DocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A document and where it belongs now; only a deleted one has a purge date."""

    id: UUID
    tenant_id: UUID
    course_id: UUID
    faculty_id: UUID
    title: str
    serving_version: int | None
    latest_version: int
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    purge_after: datetime | None


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded file of a document; `dense_count` of its `passage_count` passages can be found by meaning."""

    document_id: UUID
    version: int
    sha256: bytes
    file_name: str
    media_type: str
    size_bytes: int
    state: str
    failure_type: str | None
    failure_detail: str | None
    items_done: int
    items_total: int
    page_count: int | None
    char_count: int | None
    passage_count: int | None
    dense_count: int | None
    languages: list[str]
    parser_version: str | None
    job_id: UUID | None
    created_at: datetime
    ready_at: datetime | None


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded file that becomes a version."""

    version: int
    sha256: bytes
    file_name: str
    media_type: str
    size_bytes: int
    created_by: UUID | None


class FoundVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Which version."""

    document_id: UUID
    version: int


class DeletedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A deleted document."""

    id: UUID
    tenant_id: UUID


_DOCUMENT = """d.id, d.tenant_id, d.course_id, c.faculty_id, d.title, d.serving_version, d.latest_version, d.created_by,
               d.created_at, d.updated_at, d.purge_after"""
_LIVE = "FROM documents d JOIN courses c ON c.id = d.course_id AND c.deleted_at IS NULL"
_VERSION = ", ".join(VersionRow.__struct_fields__)
_RESTORABLE = "d.deleted_at IS NOT NULL AND d.purge_after > now()"
# A purged document is deleted and has no purge date.
_DUE = """FROM documents d JOIN courses c ON c.id = d.course_id
          WHERE (d.purge_after <= now() OR c.purge_after <= now() AND (d.deleted_at IS NULL OR d.purge_after IS NOT NULL))"""


async def get(document_id: UUID, tenant_id: UUID, *, lock: bool = False) -> DocumentRow | None:
    """Return a live document of the tenant in a live course; `lock` holds it to the end of the transaction."""
    return await query.fetch_one(
        DocumentRow,
        f"""SELECT {_DOCUMENT} {_LIVE} WHERE d.id = $1 AND d.tenant_id = $2 AND d.deleted_at IS NULL
            {"FOR UPDATE OF d" if lock else ""}""",
        document_id,
        tenant_id,
    )


async def get_deleted(document_id: UUID, tenant_id: UUID, *, lock: bool = False) -> DocumentRow | None:
    """Return a deleted document of the tenant that can be restored, whether or not its course lives."""
    return await query.fetch_one(
        DocumentRow,
        f"""SELECT {_DOCUMENT} FROM documents d JOIN courses c ON c.id = d.course_id
            WHERE d.id = $1 AND d.tenant_id = $2 AND {_RESTORABLE} {"FOR UPDATE OF d" if lock else ""}""",
        document_id,
        tenant_id,
    )


async def many(document_ids: list[UUID], tenant_id: UUID) -> list[DocumentRow]:
    """Return those that are live, in no order."""
    return await query.fetch(
        DocumentRow,
        f"SELECT {_DOCUMENT} {_LIVE} WHERE d.id = ANY($1) AND d.tenant_id = $2 AND d.deleted_at IS NULL",
        document_ids,
        tenant_id,
    )


async def page(
    course_id: UUID,
    tenant_id: UUID,
    *,
    only_served: bool,
    deleted: bool = False,
    before_id: UUID | None,
    limit: int,
) -> list[DocumentRow]:
    """Return documents of a live course, newest first: with `only_served` those that have a version to read.

    With `deleted` they are those that can be restored, else those that live.
    """
    return await query.fetch(
        DocumentRow,
        f"""SELECT {_DOCUMENT} {_LIVE} WHERE d.course_id = $1 AND d.tenant_id = $2
              AND {_RESTORABLE if deleted else "d.deleted_at IS NULL"}
              AND (NOT $3 OR d.serving_version IS NOT NULL) AND ($4::uuid IS NULL OR d.id < $4)
            ORDER BY d.id DESC LIMIT $5""",
        course_id,
        tenant_id,
        only_served,
        before_id,
        limit,
    )


async def versions(document_ids: list[UUID]) -> list[VersionRow]:
    """Return all versions of the documents, each document's newest first."""
    return await query.fetch(
        VersionRow,
        f"SELECT {_VERSION} FROM document_versions WHERE document_id = ANY($1) ORDER BY document_id, version DESC",
        document_ids,
    )


async def version(document_id: UUID, number: int) -> VersionRow | None:
    """Return one version."""
    return await query.fetch_one(
        VersionRow,
        f"SELECT {_VERSION} FROM document_versions WHERE document_id = $1 AND version = $2",
        document_id,
        number,
    )


async def find_bytes(course_id: UUID, sha256: bytes) -> FoundVersion | None:
    """Return the live version of the course that these bytes are."""
    return await query.fetch_one(
        FoundVersion,
        "SELECT document_id, version FROM document_versions WHERE course_id = $1 AND sha256 = $2 AND deleted_at IS NULL",
        course_id,
        sha256,
    )


async def name_version(uow: UnitOfWork, document_id: UUID, named: NewVersion) -> None:
    """Give a version the name, and so the type, of its latest upload."""
    del uow  # proof that a transaction is open
    await query.execute(
        "UPDATE document_versions SET file_name = $3, media_type = $4 WHERE document_id = $1 AND version = $2",
        document_id,
        named.version,
        named.file_name,
        named.media_type,
    )


async def add(
    uow: UnitOfWork, document_id: UUID, tenant_id: UUID, course_id: UUID, title: str, created_by: UUID | None
) -> None:
    """Insert a document without versions."""
    del uow  # proof that a transaction is open
    await query.execute(
        "INSERT INTO documents (id, tenant_id, course_id, title, created_by) VALUES ($1, $2, $3, $4, $5)",
        document_id,
        tenant_id,
        course_id,
        title,
        created_by,
    )


async def add_version(
    uow: UnitOfWork, row_id: UUID, tenant_id: UUID, course_id: UUID, document_id: UUID, new: NewVersion
) -> None:
    """Insert a version and make it the latest.

    Raises:
        UniqueViolation: these bytes are a live version in the course already.
    """
    del uow  # proof that a transaction is open
    await query.execute(
        """INSERT INTO document_versions (id, tenant_id, course_id, document_id, version, sha256, file_name, media_type,
                                          size_bytes, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        row_id,
        tenant_id,
        course_id,
        document_id,
        *msgspec.structs.astuple(new),
    )
    await query.execute(
        "UPDATE documents SET latest_version = $2, updated_at = now() WHERE id = $1", document_id, new.version
    )


async def requeue_version(uow: UnitOfWork, document_id: UUID, number: int, job_id: UUID) -> None:
    """Let `job_id` do the version's ingestion, from the start."""
    del uow  # proof that a transaction is open
    await query.execute(
        """UPDATE document_versions SET job_id = $3, state = 'queued', failure_type = NULL, failure_detail = NULL,
                  items_done = 0, items_total = 0, updated_at = now() WHERE document_id = $1 AND version = $2""",
        document_id,
        number,
        job_id,
    )


async def supersede(uow: UnitOfWork, document_id: UUID, *, below_version: int) -> int:
    """Let older versions no longer claim their bytes in the course; return how many did."""
    del uow  # proof that a transaction is open
    return await query.execute(
        """UPDATE document_versions SET deleted_at = now(), updated_at = now()
           WHERE document_id = $1 AND version < $2 AND deleted_at IS NULL""",
        document_id,
        below_version,
    )


async def rename(uow: UnitOfWork, document_id: UUID, title: str) -> None:
    """Change the title."""
    del uow  # proof that a transaction is open
    await query.execute("UPDATE documents SET title = $2, updated_at = now() WHERE id = $1", document_id, title)


async def delete(uow: UnitOfWork, document_id: UUID, course_id: UUID) -> None:
    """Take the document away from readers at once; it is purged after 30 days."""
    await query.execute(
        f"""UPDATE documents SET deleted_at = now(), updated_at = now(), purge_after = now() + interval '{PURGE_DAYS} days'
            WHERE id = $1""",
        document_id,
    )
    await query.execute(
        "UPDATE document_versions SET deleted_at = now() WHERE document_id = $1 AND deleted_at IS NULL", document_id
    )
    await change_document_set(uow, course_id)


async def restore(uow: UnitOfWork, document_id: UUID, course_id: UUID) -> None:
    """Take back the deletion of a document that is held; readers have to wait until a version of it is ready again.

    Raises:
        UniqueViolation: `document_versions_bytes_live`, another document of the course has the bytes by now.
    """
    await query.execute(
        """UPDATE document_versions v SET deleted_at = NULL, updated_at = now() FROM documents d
           WHERE d.id = $1 AND v.document_id = d.id AND v.deleted_at = d.deleted_at""",
        document_id,
    )
    await query.execute(
        """UPDATE documents SET deleted_at = NULL, purge_after = NULL, serving_version = NULL, updated_at = now()
           WHERE id = $1""",
        document_id,
    )
    await change_document_set(uow, course_id)


async def change_document_set(uow: UnitOfWork, course_id: UUID) -> None:
    """Make every cached result over the course stale."""
    del uow  # proof that a transaction is open
    await query.execute(
        "UPDATE courses SET document_set_version = document_set_version + 1, updated_at = now() WHERE id = $1",
        course_id,
    )


async def live_jobs(document_id: UUID) -> list[UUID]:
    """Return the ids of the document's jobs that have not ended."""
    return await query.fetch_values(
        "SELECT id FROM jobs WHERE subject_id = $1 AND state IN ('queued', 'waiting', 'running') ORDER BY id",
        document_id,
    )


async def hold_jobs(uow: UnitOfWork, document_id: UUID, ingestion: str) -> bool:
    """Let no job of the document begin until the transaction ends; False when one runs, or an `ingestion` has not ended."""
    del uow  # proof that a transaction is open
    hindrances = await query.fetch_values(
        """SELECT state = 'running' OR kind = $2 FROM jobs
           WHERE subject_id = $1 AND state IN ('queued', 'waiting', 'running') ORDER BY id FOR SHARE""",
        document_id,
        ingestion,
    )
    return not any(hindrances)


async def due_for_purge(limit: int) -> list[DeletedRow]:
    """Return documents that were deleted, alone or with their course, longer ago than they are kept for."""
    return await query.fetch(
        DeletedRow,
        f"SELECT d.id, d.tenant_id {_DUE} ORDER BY least(d.purge_after, c.purge_after), d.id LIMIT $1",
        limit,
    )


async def hold_due(uow: UnitOfWork, document_id: UUID) -> bool:
    """Lock a document to purge it; False when it is not due (any more)."""
    del uow  # proof that a transaction is open
    return await query.fetch_value(f"SELECT d.id {_DUE} AND d.id = $1 FOR UPDATE OF d", document_id) is not None


async def hold_bytes(uow: UnitOfWork, tenant_id: UUID, hashes: Iterable[bytes]) -> None:
    """Keep every other upload or purge of these bytes in the tenant waiting until the transaction ends.

    Locks come before the rows of documents, in the order of the hashes, so that no two holders wait for each other.
    """
    del uow
    for sha256 in sorted(hashes):
        await query.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"document_bytes:{tenant_id}:{sha256.hex()}"
        )


async def bytes_only_in(document: DeletedRow) -> list[bytes]:
    """Return the hashes of the document's files that no other document of the tenant has."""
    return await query.fetch_values(
        """SELECT DISTINCT v.sha256 FROM document_versions v WHERE v.document_id = $1 AND NOT EXISTS (
               SELECT FROM document_versions other
               WHERE other.tenant_id = $2 AND other.sha256 = v.sha256 AND other.document_id <> $1)""",
        document.id,
        document.tenant_id,
    )


async def purge(uow: UnitOfWork, document_id: UUID) -> None:
    """Delete a document's passages and versions; its row stays as a name for old answers."""
    del uow  # proof that a transaction is open
    await query.execute("DELETE FROM passages WHERE document_id = $1", document_id)
    await query.execute("DELETE FROM document_versions WHERE document_id = $1", document_id)
    await query.execute(
        """UPDATE documents SET deleted_at = coalesce(deleted_at, now()), purge_after = NULL, serving_version = NULL
           WHERE id = $1""",
        document_id,
    )
