"""Hybrid retrieval: BM25 and, where the embedder knows the question's language, dense vectors, fused by rank.

A blind fusion ruins a language the embedder does not know: its dense ranks are noise that counts as much as BM25's. With
it, plain reciprocal rank fusion (Cormack et al., SIGIR 2009) with equal weights beats both of its parts.

The index proposes, the passages port disposes: a hit counts only when the port returns its text.
"""

import asyncio
from uuid import UUID

from rag.language import analyse, detect
from rag.passages import PassagesPort, ScopedPassage
from rag.retrieve.contract import Method, Query, QueryEmbedder, QueryVector, Retrieval, RetrievedPassage
from rag.scope import Scope
from rag.store import Hit, SparseVector, VectorStore, query_vector

SPARE = 8
"""Hits asked for beyond the limit, so that one that may no longer be read seldom costs a second search."""
MAX_HITS = 400
GROWTH = 4


async def retrieve(
    query: Query, scope: Scope, passages: PassagesPort, store: VectorStore, embed: QueryEmbedder
) -> Retrieval:
    """Return up to `query.limit` passages of the scope, best first.

    Raises:
        VectorStoreUnavailable, VectorStoreError: the index cannot be searched.
    """
    language = detect(query.text)
    sparse = query_vector(analyse(query.text, language))
    vector = await embed(query.text, language, scope.tenant_id) if scope.courses else QueryVector(model="", values=None)
    search = _Search(query, scope, store, vector, sparse)
    kept = await _readable(search, passages)
    return Retrieval(
        passages=tuple(kept),
        language=language,
        method=search.method,
        model=vector.model,
        lesser=vector.missing,
    )


class _Search:
    """One question to the index, repeatable with another number of hits."""

    def __init__(
        self, query: Query, scope: Scope, store: VectorStore, vector: QueryVector, sparse: SparseVector
    ) -> None:
        self.query = query
        self.scope = scope
        self.similarities: dict[UUID, float] = {}
        self._store = store
        self._dense = vector.values
        self._sparse = sparse

    @property
    def method(self) -> Method:
        if self._dense is not None:
            return "hybrid" if self._sparse else "dense"
        return "sparse" if self._sparse else "none"

    async def hits(self, limit: int) -> list[Hit]:
        if self._dense is None:
            return await self._store.search_sparse(self._sparse, self.scope, limit)
        if not self._sparse:
            found = await self._store.search_dense(self._dense, self.scope, limit)
            self._note(found)
            return found
        fused = self._store.search_hybrid(self._dense, self._sparse, self.scope, limit)
        if not self.query.similarity:
            return await fused
        found, nearest = await asyncio.gather(fused, self._store.search_dense(self._dense, self.scope, limit))
        self._note(nearest)
        return found

    def _note(self, nearest: list[Hit]) -> None:
        self.similarities.update((hit.passage_id, hit.score) for hit in nearest)


async def _readable(search: _Search, passages: PassagesPort) -> list[RetrievedPassage]:
    """Ask for more hits until enough may be read, or the index has no more."""
    limit, wanted = search.query.limit, search.query.limit + SPARE
    known: dict[UUID, ScopedPassage | None] = {}
    while True:
        hits = await search.hits(wanted)
        unknown = [hit.passage_id for hit in hits if hit.passage_id not in known]
        known.update(dict.fromkeys(unknown))
        if unknown:
            known.update((passage.passage_id, passage) for passage in await passages(unknown, search.scope))
        kept = [
            RetrievedPassage(passage=passage, score=hit.score, similarity=search.similarities.get(hit.passage_id))
            for hit in hits
            if (passage := known[hit.passage_id]) is not None
        ]
        if len(kept) >= limit or len(hits) < wanted or wanted >= MAX_HITS:
            return kept[:limit]
        wanted = min(wanted * GROWTH, MAX_HITS)
