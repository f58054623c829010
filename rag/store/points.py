"""Between our points and hits and Qdrant's."""

from typing import Any
from uuid import UUID

from qdrant_client import models

from rag.store import schema
from rag.store.contract import Hit, PassagePoint, SparseVector

HIT_FIELDS = ["document_id", "version", "course_id"]


def point_struct(point: PassagePoint) -> models.PointStruct:
    """Return the point as the server stores it. It carries ids and no text, so the index can be lost or leaked
    without the documents.
    """
    vectors: dict[str, Any] = {}
    if point.dense is not None:
        vectors[schema.DENSE] = list(point.dense)
    if point.sparse:
        vectors[schema.SPARSE] = models.SparseVector(
            indices=list(point.sparse.indices), values=list(point.sparse.values)
        )
    return models.PointStruct(id=str(point.passage_id), vector=vectors, payload=_payload(point))


def sparse_vector(vector: SparseVector) -> models.SparseVector:
    """Return the sparse vector as the client sends it."""
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def to_hit(point: models.ScoredPoint) -> Hit:
    """Return the hit for a found point."""
    payload = point.payload or {}
    return Hit(
        passage_id=UUID(str(point.id)),
        document_id=UUID(payload["document_id"]),
        version=int(payload["version"]),
        course_id=UUID(payload["course_id"]),
        score=point.score,
    )


def _payload(point: PassagePoint) -> dict[str, str | int]:
    return {
        "tenant_id": str(point.tenant_id),
        "faculty_id": str(point.faculty_id),
        "semester_id": str(point.semester_id),
        "course_id": str(point.course_id),
        "document_id": str(point.document_id),
        "version": point.version,
        "language": point.language,
    }
