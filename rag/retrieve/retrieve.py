"""Hybrid retrieval: BM25 and, where the embedder knows the question's language, dense vectors.

A blind fusion ruins a language the embedder does not know: its similarities are noise that counts as much as BM25. The
search by words runs while the question's vector is still being made.

The index proposes, the passages port disposes: a hit counts only when the port returns its text.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from rag.language import analyse, detect
from rag.passages import PassagesPort, ScopedPassage
from rag.retrieve.contract import Method, Query, QueryEmbedder, QueryVector, Retrieval, RetrievedPassage
from rag.retrieve.fusion import fuse
from rag.scope import Scope
from rag.store import Hit, VectorStore, query_vector

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
    if not scope.courses:
        return Retrieval(passages=(), language=language, method="none", model="")
    search = _Search(query.text, language, scope, store, embed)
    kept = await _readable(search, query.limit, passages)
    vector = search.vector
    return Retrieval(
        passages=tuple(kept), language=language, method=search.method, model=vector.model, lesser=vector.missing
    )


class _Search:
    """One question to the index, repeatable with another number of hits."""

    def __init__(self, text: str, language: str, scope: Scope, store: VectorStore, embed: QueryEmbedder) -> None:
        self.scope = scope
        self.vector = QueryVector(model="", values=None)
        self.similarities: dict[UUID, float] = {}
        self._text = text
        self._language = language
        self._words = query_vector(analyse(text, language))
        self._store = store
        self._embed = embed
        self._is_embedded = False

    @property
    def method(self) -> Method:
        if self.vector.values is not None:
            return "hybrid" if self._words else "dense"
        return "sparse" if self._words else "none"

    async def hits(self, limit: int) -> tuple[list[Hit], bool]:
        """Return up to `limit` hits, and whether the index has no more."""
        by_words, by_meaning = await asyncio.gather(
            self._store.search_sparse(self._words, self.scope, limit), self._by_meaning(limit)
        )
        self.similarities.update((hit.passage_id, hit.score) for hit in by_meaning)
        return fuse(by_words, by_meaning)[:limit], len(by_words) < limit and len(by_meaning) < limit

    async def _by_meaning(self, limit: int) -> Sequence[Hit]:
        if not self._is_embedded:
            self.vector = await self._embed(self._text, self._language, self.scope.tenant_id)
            self._is_embedded = True
        if self.vector.values is None:
            return ()
        return await self._store.search_dense(self.vector.values, self.scope, limit)


async def _readable(search: _Search, limit: int, passages: PassagesPort) -> list[RetrievedPassage]:
    """Ask for more hits until enough may be read, or the index has no more."""
    wanted = limit + SPARE
    known: dict[UUID, ScopedPassage | None] = {}
    while True:
        hits, is_all = await search.hits(wanted)
        unknown = [hit.passage_id for hit in hits if hit.passage_id not in known]
        known.update(dict.fromkeys(unknown))
        if unknown:
            known.update((passage.passage_id, passage) for passage in await passages(unknown, search.scope))
        kept = [
            RetrievedPassage(passage=passage, score=hit.score, similarity=search.similarities.get(hit.passage_id))
            for hit in hits
            if (passage := known[hit.passage_id]) is not None
        ]
        if len(kept) >= limit or is_all or wanted >= MAX_HITS:
            return kept[:limit]
        wanted = min(wanted * GROWTH, MAX_HITS)
