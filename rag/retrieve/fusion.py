"""One ranking out of two: BM25 scores and cosine similarities, normalised and averaged.

A convex combination of normalised scores keeps what reciprocal rank fusion throws away, how far ahead the first is, and
has no ties (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023). Both scores begin at
nothing in common, 0; BM25 is divided by its best in this search. Equal weights, not tuned.
"""

from collections.abc import Sequence

import msgspec

from rag.store import Hit


def fuse(by_words: Sequence[Hit], by_meaning: Sequence[Hit]) -> list[Hit]:
    """Return the hits of both searches, best first, with scores from 0 to 1; a search that did not find a hit adds 0."""
    best = max((hit.score for hit in by_words), default=0.0)
    scores: dict[Hit, float] = {}
    for hit in by_words:
        scores[_bare(hit)] = hit.score / best / 2 if best > 0 else 0.0
    for hit in by_meaning:
        scores[_bare(hit)] = scores.get(_bare(hit), 0.0) + max(hit.score, 0.0) / 2
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0].passage_id))
    return [msgspec.structs.replace(hit, score=score) for hit, score in ranked]


def _bare(hit: Hit) -> Hit:
    return msgspec.structs.replace(hit, score=0.0)
