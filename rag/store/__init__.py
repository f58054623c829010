"""The index of passages: dense and sparse vectors in Qdrant, read only through a scope."""

from rag.store.contract import (
    Collection,
    Hit,
    PassagePoint,
    SparseVector,
    VectorStore,
    VectorStoreError,
    VectorStoreUnavailable,
    passage_point_id,
)
from rag.store.qdrant import QdrantVectorStore, open_vector_store
from rag.store.sparse import document_vector, query_vector

__all__ = [
    "Collection",
    "Hit",
    "PassagePoint",
    "QdrantVectorStore",
    "SparseVector",
    "VectorStore",
    "VectorStoreError",
    "VectorStoreUnavailable",
    "document_vector",
    "open_vector_store",
    "passage_point_id",
    "query_vector",
]
