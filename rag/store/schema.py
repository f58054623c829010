"""Names and shape of the collections: one per embedding model, behind an alias that searches use."""

import hashlib
import re

from qdrant_client import models

ALIAS = "passages"
DENSE = "dense"
SPARSE = "bm25"
_READABLE_CHARACTERS = 48

_TENANT_KEYWORD = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
_KEYWORD = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)
_INTEGER = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True)

PAYLOAD_INDEXES: dict[str, models.KeywordIndexParams | models.IntegerIndexParams] = {
    "tenant_id": _TENANT_KEYWORD,
    "faculty_id": _TENANT_KEYWORD,
    "semester_id": _KEYWORD,
    "course_id": _KEYWORD,
    "document_id": _KEYWORD,
    "language": _KEYWORD,
    "version": _INTEGER,
}


def collection_name(model: str, dimensions: int) -> str:
    """Return a readable name that two different models never share."""
    readable = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[-_READABLE_CHARACTERS:].strip("-")
    digest = hashlib.sha256(f"{model}\0{dimensions}".encode()).hexdigest()[:8]
    return f"passages-{readable}-{dimensions}-{digest}"


def dense_vectors(dimensions: int) -> dict[str, models.VectorParams]:
    """Return the dense vectors' configuration."""
    return {DENSE: models.VectorParams(size=dimensions, distance=models.Distance.COSINE)}


def sparse_vectors() -> dict[str, models.SparseVectorParams]:
    """Return the sparse vectors' configuration: the server multiplies by IDF, the stored weights do not hold it."""
    return {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}
