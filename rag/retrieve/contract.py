"""What a search takes and gives."""

from collections.abc import Sequence
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from rag.passages import ScopedPassage

Method = Literal["hybrid", "dense", "sparse", "none"]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and how many passages it wants."""

    text: str
    limit: int = 10


class QueryVector(msgspec.Struct, frozen=True, kw_only=True):
    """A question's dense vector.

    `values` is None where the embedder does not know the question's language, and where it cannot be reached: then
    `missing` is true, and what is found without it should not be remembered. `model` is the sha256 of the weights.
    """

    model: str
    values: Sequence[float] | None
    missing: bool = False


class QueryEmbedder(Protocol):
    """Makes vectors of questions; never raises for an embedder that is away."""

    async def __call__(self, text: str, language: str, tenant_id: UUID, /) -> QueryVector: ...


class RetrievedPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage with its score from 0 to 1, which compares only within one search, and its cosine similarity where the
    search by meaning found it too.
    """

    passage: ScopedPassage
    score: float
    similarity: float | None = None


class Retrieval(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, best first, and how. `lesser` tells that the embedder was away."""

    passages: tuple[RetrievedPassage, ...]
    language: str
    method: Method
    model: str
    lesser: bool = False
