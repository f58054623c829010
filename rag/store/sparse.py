"""BM25 as sparse vectors (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009).

A document's weight for a term is BM25 without its IDF factor, the query's is the term's count in the query; the server
multiplies by IDF over the collection. Their dot product is the BM25 score.

The average document length has to be a constant, because a stored weight cannot follow a changing average. Passages are
cut to a bounded size, so their lengths differ little and the constant costs next to nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from rag.store.contract import SparseVector

SATURATION = 1.2
"""k1: how soon repeating a term stops adding score."""
LENGTH_NORMALISATION = 0.75
"""b: how much a long passage is held back."""
AVERAGE_LENGTH = 100.0
"""Tokens left of a typical passage after analysis."""


@lru_cache(maxsize=131_072)
def term_index(term: str) -> int:
    """Return the term's dimension: the first 4 bytes, big-endian, of BLAKE2b-32 of its UTF-8 form.

    The same in every process and release; changing it means indexing everything again.
    """
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest(), "big")


def document_vector(tokens: Sequence[str]) -> SparseVector:
    """Return the BM25 weights of a passage's analysed tokens."""
    norm = SATURATION * (1 - LENGTH_NORMALISATION + LENGTH_NORMALISATION * len(tokens) / AVERAGE_LENGTH)
    return _vector((term, count * (SATURATION + 1) / (count + norm)) for term, count in Counter(tokens).items())


def query_vector(tokens: Iterable[str]) -> SparseVector:
    """Return the weights of a question's analysed tokens: how often each occurs."""
    return _vector((term, float(count)) for term, count in Counter(tokens).items())


def _vector(weights: Iterable[tuple[str, float]]) -> SparseVector:
    summed: dict[int, float] = {}
    for term, weight in weights:
        index = term_index(term)
        summed[index] = summed.get(index, 0.0) + weight
    indices = tuple(sorted(summed))
    return SparseVector(indices, tuple(summed[index] for index in indices))
