"""Passages: written version by version, read only where the document, its version and its course are live."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from db import query
from db.unit_of_work import UnitOfWork


class PassageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of one version."""

    id: UUID
    ordinal: int
    page: int | None
    heading: str
    char_start: int
    char_end: int
    text: str
    language: str
    has_dense: bool


class ServedPassageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of the version that readers see, with its document's title."""

    passage_id: UUID
    document_id: UUID
    version: int
    course_id: UUID
    title: str
    page: int | None
    heading: str
    char_start: int
    char_end: int
    text: str
    language: str


COLUMNS = ", ".join(PassageRow.__struct_fields__)


async def served(passage_ids: Sequence[UUID], tenant_id: UUID, course_ids: Sequence[UUID]) -> list[ServedPassageRow]:
    """Return, in the order asked for, those passages whose document serves them now in one of the courses."""
    return await query.fetch(
        ServedPassageRow,
        """SELECT p.id AS passage_id, p.document_id, p.version, d.course_id, d.title, p.page, p.heading, p.char_start,
                  p.char_end, p.text, p.language
           FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, place)
           JOIN passages p ON p.id = asked.id
           JOIN documents d ON d.id = p.document_id AND d.serving_version = p.version AND d.deleted_at IS NULL
           JOIN courses c ON c.id = d.course_id AND c.deleted_at IS NULL
           WHERE d.tenant_id = $2 AND d.course_id = ANY($3) ORDER BY asked.place""",
        list(passage_ids),
        tenant_id,
        list(course_ids),
    )


async def page(document_id: UUID, version: int, *, after_ordinal: int = -1, limit: int | None = 50) -> list[PassageRow]:
    """Return a version's passages in reading order, from behind `after_ordinal`; all of them without a limit."""
    return await query.fetch(
        PassageRow,
        f"""SELECT {COLUMNS} FROM passages WHERE document_id = $1 AND version = $2 AND ordinal > $3
            ORDER BY ordinal LIMIT $4""",
        document_id,
        version,
        after_ordinal,
        limit,
    )


async def replace(
    uow: UnitOfWork, tenant_id: UUID, course_id: UUID, document_id: UUID, version: int, rows: Sequence[PassageRow]
) -> None:
    """Make `rows` the passages of a version that nobody reads yet."""
    await delete_versions(uow, document_id, from_version=version, to_version=version)
    await query.execute_many(
        f"""INSERT INTO passages (tenant_id, course_id, document_id, version, {COLUMNS})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)""",
        [(tenant_id, course_id, document_id, version, *msgspec.structs.astuple(row)) for row in rows],
    )


async def delete_versions(uow: UnitOfWork, document_id: UUID, *, from_version: int, to_version: int) -> int:
    """Delete the passages of the versions from `from_version` to `to_version` inclusive; return how many they were."""
    del uow  # proof that a transaction is open
    return await query.execute(
        "DELETE FROM passages WHERE document_id = $1 AND version BETWEEN $2 AND $3",
        document_id,
        from_version,
        to_version,
    )
