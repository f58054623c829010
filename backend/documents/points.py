"""Passages as points of the index."""

from array import array

from db.repositories.ingestion import WorkRow
from db.repositories.passages import PassageRow
from rag.language import analyse
from rag.store import PassagePoint, document_vector

INDEX_BATCH = 128
"""Points per request: the vector server answers searches between them."""


def passage_points(row: WorkRow, batch: list[PassageRow], vectors: "dict[int, array[float]]") -> list[PassagePoint]:
    """Return the passages as the index knows them; analyses their words, so call it in a thread."""
    return [
        PassagePoint(
            passage_id=passage.id,
            tenant_id=row.tenant_id,
            faculty_id=row.faculty_id,
            semester_id=row.semester_id,
            course_id=row.course_id,
            document_id=row.document_id,
            version=row.version,
            language=passage.language,
            dense=vectors.get(passage.ordinal),
            sparse=document_vector(analyse(passage.text, passage.language)),
        )
        for passage in batch
    ]
