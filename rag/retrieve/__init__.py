"""Retrieval: from a question and a scope to passages that may be read now."""

from rag.retrieve.contract import Query, QueryEmbedder, QueryVector, Retrieval, RetrievedPassage
from rag.retrieve.embedder import GatewayEmbedder, PreparedQuestion
from rag.retrieve.retrieve import retrieve

__all__ = [
    "GatewayEmbedder",
    "PreparedQuestion",
    "Query",
    "QueryEmbedder",
    "QueryVector",
    "Retrieval",
    "RetrievedPassage",
    "retrieve",
]
