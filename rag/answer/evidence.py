"""Retrieved passages cut into sentences and weighed against a question.

A term's weight is its inverse document frequency among the retrieved passages alone: on XQuAD that ranks sentences as
well as the frequencies of the whole collection do (gold span in the answer: 0.898 against 0.899), and needs none.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from rag.answer.contract import MAX_WORDS
from rag.guard import is_order
from rag.language import Span, analyse, numbers, sentences
from rag.passages import ScopedPassage
from rag.retrieve import RetrievedPassage

SMOOTHING = 0.3
SMALLEST_COLLECTION = 12
"""Fewer passages are counted as this many: where only one was found, a term it lacks says little."""
_ASKING = frozenset({"mani", "much"})
_WORD = re.compile(r"\S+")
_MAX_WINDOW_WORDS = 60
assert _MAX_WINDOW_WORDS <= MAX_WORDS


class Sentence(NamedTuple):
    """A sentence of a passage: offsets into the passage's text, its terms, words and whether it states a number."""

    span: Span
    terms: frozenset[str]
    words: int
    has_number: bool


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One passage, its sentences that are no orders to the assistant, and its rank from 0."""

    passage: ScopedPassage
    rank: int
    similarity: float | None
    sentences: tuple[Sentence, ...]
    terms: frozenset[str]


class TermWeights:
    """How much each term of a question tells, and what share of it a set of terms covers."""

    def __init__(self, terms: frozenset[str], evidence: Sequence[Evidence]) -> None:
        count = max(len(evidence), SMALLEST_COLLECTION)
        frequency = Counter(term for item in evidence for term in item.terms & terms)
        self._weights = {
            term: math.log(1 + (count - frequency[term] + 0.5) / (frequency[term] + 0.5)) + SMOOTHING for term in terms
        }
        self._total = sum(self._weights.values()) or 1.0

    def coverage(self, terms: frozenset[str]) -> float:
        """Return the share of the question's weight that `terms` hold, 0 to 1."""
        return sum(weight for term, weight in self._weights.items() if term in terms) / self._total

    def weight(self, term: str) -> float:
        """Return the term's weight, 0 for one that is not asked for."""
        return self._weights.get(term, 0.0)


def question_terms(question: str, language: str) -> frozenset[str]:
    """Return the terms an answer should hold; "how many" asks for a number, not for the word "many"."""
    return frozenset(analyse(question, language)) - _ASKING


def gather(retrieved: Sequence[RetrievedPassage], terms: frozenset[str]) -> list[Evidence]:
    """Cut the passages into sentences; a passage whose text came before, from another course, is left out."""
    evidence: list[Evidence] = []
    seen: set[str] = set()
    for item in retrieved:
        if item.passage.text in seen:
            continue
        seen.add(item.passage.text)
        evidence.append(_weigh(item, len(evidence), terms))
    return evidence


def _weigh(item: RetrievedPassage, rank: int, terms: frozenset[str]) -> Evidence:
    text, language = item.passage.text, item.passage.language
    cut = tuple(
        _sentence(text, _window(text, span, language, terms), language)
        for span in sentences(text, language)
        if not is_order(text[span.start : span.end])
    )
    return Evidence(
        passage=item.passage,
        rank=rank,
        similarity=item.similarity,
        sentences=cut,
        terms=frozenset().union(*(sentence.terms for sentence in cut)),
    )


def _sentence(text: str, span: Span, language: str) -> Sentence:
    piece = text[span.start : span.end]
    return Sentence(span, frozenset(analyse(piece, language)), len(piece.split()), bool(numbers(piece)))


def _window(text: str, span: Span, language: str, terms: frozenset[str]) -> Span:
    """Return the span itself; of one too long to quote, the run of words with the question's terms in its middle."""
    words = list(_WORD.finditer(text, span.start, span.end))
    if len(words) <= _MAX_WINDOW_WORDS:
        return span
    meets = [not terms.isdisjoint(analyse(word.group(), language)) for word in words]
    counts = [sum(meets[i : i + _MAX_WINDOW_WORDS]) for i in range(len(words) - _MAX_WINDOW_WORDS + 1)]
    best = [i for i, count in enumerate(counts) if count == max(counts)]
    first = best[len(best) // 2]
    return Span(words[first].start(), words[first + _MAX_WINDOW_WORDS - 1].end())
