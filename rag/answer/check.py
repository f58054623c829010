"""The checker: which of a model's sentences may leave, and what they rest on.

A sentence leaves only with a marker of a passage that was in the prompt, when at least half of its content words stand in
that passage, and all of its numbers do. Words are compared as stems, so an answer in another language than its passage
does not pass. Sentences of a passage that are orders to the assistant support nothing. A negation put into a sentence is
not noticed.
"""

from collections.abc import Sequence

import msgspec

from rag.answer.contract import MAX_QUOTE_SENTENCES, Citation, Part
from rag.answer.evidence import Evidence
from rag.answer.quoting import cite
from rag.answer.sentences import markers, without_markers
from rag.language import Span, analyse, numbers

MIN_SHARED = 0.5


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence that may leave, without markers, and the spans of passages it rests on."""

    text: str
    supports: tuple[tuple[Evidence, Span], ...]


def check(sentence: str, language: str, evidence: Sequence[Evidence]) -> Checked | None:
    """Return the sentence with its supports, or None when it may not leave; marker n means `evidence[n - 1]`."""
    named = markers(sentence)
    if not named or not all(1 <= number <= len(evidence) for number in named):
        return None
    text = without_markers(sentence)
    words, figures = frozenset(analyse(text, language)), numbers(text)
    if not words:
        return None
    supports = tuple(
        (item, _best_span(words, item))
        for item in (evidence[number - 1] for number in named)
        if len(words & item.terms) >= MIN_SHARED * len(words) and figures <= _numbers(item)
    )
    return Checked(text=text, supports=supports) if supports else None


class CitationList:
    """Numbers the supports from 1 in the order they are first used; the same span keeps its number."""

    def __init__(self) -> None:
        self._markers: dict[tuple[int, Span], int] = {}

    def add(self, checked: Checked) -> Part:
        """Return the sentence with its markers, and the citations that are new with it."""
        used: list[int] = []
        new: list[Citation] = []
        for item, span in checked.supports:
            key = (item.rank, span)
            if key not in self._markers:
                self._markers[key] = len(self._markers) + 1
                new.append(cite(item.passage, span, self._markers[key]))
            used.append(self._markers[key])
        text = f"{checked.text} {''.join(f'[{marker}]' for marker in used)}"
        return Part(text=text, markers=tuple(used), citations=tuple(new))


def _numbers(item: Evidence) -> set[str]:
    text = item.passage.text
    return set().union(*(numbers(text[s.span.start : s.span.end]) for s in item.sentences))


def _best_span(words: frozenset[str], item: Evidence) -> Span:
    """Return the sentence, or two neighbours where one alone says less, that share most words."""
    cut = item.sentences
    runs = [cut[i : i + n] for n in range(1, MAX_QUOTE_SENTENCES + 1) for i in range(len(cut) - n + 1)]
    best = max(runs, key=lambda run: (len(words & frozenset().union(*(s.terms for s in run))), -len(run)))
    return Span(best[0].span.start, best[-1].span.end)
