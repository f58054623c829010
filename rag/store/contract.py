"""What the vector store promises, whichever server stands behind it."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID, uuid5

import msgspec

from rag.scope import Scope

_PASSAGES = UUID("5f0c6f0e-6d0b-5b53-9f4e-0d2c1a7a3d10")


class VectorStoreError(Exception):
    """The vector server refused a request: a fault of the caller or of the configuration, not worth a retry."""


class VectorStoreUnavailable(VectorStoreError):
    """The vector server cannot be reached, is too slow or fails; a later try may succeed."""


class SparseVector(msgspec.Struct, frozen=True):
    """Non-zero dimensions (u32, ascending, unique) and their weights, of equal length."""

    indices: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.indices)


class PassagePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One passage as the index knows it: ids and vectors, never its text.

    `dense` has the collection's dimensions, or is None where the embedder does not know the passage's language.
    """

    passage_id: UUID
    tenant_id: UUID
    faculty_id: UUID
    semester_id: UUID
    course_id: UUID
    document_id: UUID
    version: int
    language: str
    dense: Sequence[float] | None
    sparse: SparseVector


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One found passage; a score compares only with scores of the same search."""

    passage_id: UUID
    document_id: UUID
    version: int
    course_id: UUID
    score: float


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """The collection of one embedding model; `created` tells that it is new and every document has to be indexed."""

    name: str
    created: bool


def passage_point_id(document_id: UUID, version: int, ordinal: int) -> UUID:
    """Return the id of a document version's passage: the same on every run, so that indexing twice changes nothing."""
    return uuid5(_PASSAGES, f"{document_id}/{version}/{ordinal}")


class VectorStore(Protocol):
    """An index of passages. Every call may raise VectorStoreUnavailable or VectorStoreError.

    Searches return at most `limit` hits, best first, and only passages of the scope. An empty scope, or a query vector
    without a non-zero weight, finds nothing and makes no call.
    """

    async def ensure_collection(self, model: str, dimensions: int) -> Collection:
        """Make the model's collection where it is missing, and the one that searches read."""
        ...

    async def upsert(self, points: Sequence[PassagePoint], *, wait: bool = True) -> None:
        """Insert or replace points; with `wait` they are searchable and durable when the call returns."""
        ...

    async def delete_document(self, document_id: UUID, *, below_version: int | None = None) -> None:
        """Delete a document's points, or only those of versions below `below_version`."""
        ...

    async def delete_points(self, passage_ids: Sequence[UUID]) -> None:
        """Delete points by id; unknown ids are no error."""
        ...

    async def move_course(self, course_id: UUID, *, faculty_id: UUID, semester_id: UUID) -> None:
        """Record the course's new faculty and semester on all its points."""
        ...

    async def search_dense(self, vector: Sequence[float], scope: Scope, limit: int) -> list[Hit]:
        """Search by cosine similarity among the points that have a dense vector."""
        ...

    async def search_sparse(self, sparse: SparseVector, scope: Scope, limit: int) -> list[Hit]:
        """Search by BM25."""
        ...

    async def count(self, scope: Scope | None = None, *, document_id: UUID | None = None) -> int:
        """Count points exactly, of all or of a scope, and of one document where given."""
        ...

    async def health(self) -> None:
        """Raise VectorStoreUnavailable unless the server answers."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
