"""The tutor without a model: it quotes the best sentences of the best passages, and says so when there are none."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from rag.answer.contract import MAX_QUOTE_SENTENCES, MAX_SENTENCES, MAX_WORDS, Citation, Outcome, Part, Verdict
from rag.answer.evidence import Evidence, Sentence, TermWeights, gather, question_terms
from rag.answer.notices import notice
from rag.answer.relevance import is_relevant
from rag.answer.sentences import flat
from rag.language import Span
from rag.passages import ScopedPassage
from rag.retrieve import RetrievedPassage

NEIGHBOUR = 0.1
"""What the sentence before and the one after count: an answer often takes its subject from its neighbour."""
RANK = 0.3
PASSAGE = 0.3
NUMBER = 0.2
"""What a number counts where one is asked for."""
KEEP = 0.6
"""A further sentence must reach this share of the best one's score."""

_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|long|far|tall|big|large|often|high|fast)\b|\bwhen\b"
    r"|\b(?:what|which) (?:year|date|century|percent\w*|number|age|decade)\b|(?:^|\s)(?:كم|متى)\b|\b(?:أي|اي) (?:عام|سنة)\b",
    re.IGNORECASE,
)


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """An answer made of quotes, whole."""

    parts: tuple[Part, ...]
    outcome: Outcome


class _Candidate(NamedTuple):
    score: float
    evidence: Evidence
    place: int

    @property
    def sentence(self) -> Sentence:
        return self.evidence.sentences[self.place]


def quote(question: str, language: str, retrieved: Sequence[RetrievedPassage], model: str = "") -> Quoted:
    """Answer `question`, which is in `language`, by quoting: at most 3 sentences and 80 words.

    Passages in the question's language come first; where they do not answer, others are quoted, and the answer says so.

    Args:
        model: sha256 of the weights that made the passages' similarities.
    """
    terms = question_terms(question, language)
    evidence = gather(retrieved, terms)
    weights = TermWeights(terms, evidence)
    own = [item for item in evidence if item.passage.language == language]
    foreign = [item for item in evidence if item.passage.language != language]
    for group, introduction in ((own, ""), (foreign, notice("other_language", language))):
        if not is_relevant(group, weights, model):
            continue
        chosen = _choose(_candidates(group, weights, question), introduction)
        if chosen:
            return Quoted(parts=_parts(chosen, introduction), outcome=_outcome("answered", retrieved))
    nothing = Part(text=notice("not_in_material", language))
    return Quoted(parts=(nothing,), outcome=_outcome("not_in_material", retrieved))


def _candidates(evidence: Sequence[Evidence], weights: TermWeights, question: str) -> list[_Candidate]:
    number = NUMBER if _ASKS_NUMBER.search(question) else 0.0
    found = []
    for item in evidence:
        ground = PASSAGE * weights.coverage(item.terms) + RANK / (item.rank + 1)
        covered = [weights.coverage(sentence.terms) for sentence in item.sentences]
        for index, sentence in enumerate(item.sentences):
            beside = sum(covered[max(index - 1, 0) : index]) + sum(covered[index + 1 : index + 2])
            score = covered[index] + NEIGHBOUR * beside + ground + number * sentence.has_number
            found.append(_Candidate(score, item, index))
    return sorted(found, key=lambda candidate: -candidate.score)


def _choose(candidates: Sequence[_Candidate], introduction: str) -> list[_Candidate]:
    """Take the best that fit, and put them in the order of the passages and of the text."""
    sentences_left = MAX_SENTENCES - bool(introduction)
    words_left = MAX_WORDS - len(introduction.split())
    chosen: list[_Candidate] = []
    for candidate in candidates:
        if len(chosen) == sentences_left or (chosen and candidate.score < KEEP * chosen[0].score):
            break
        needed = candidate.sentence.words + 1  # its marker
        if needed <= words_left:
            chosen.append(candidate)
            words_left -= needed
    return sorted(chosen, key=lambda c: (c.evidence.rank, c.place))


def _parts(chosen: Sequence[_Candidate], introduction: str) -> tuple[Part, ...]:
    parts = [Part(text=f"{introduction} ")] if introduction else []
    runs = _runs(chosen)
    for marker, run in enumerate(runs, start=1):
        passage = run[0].evidence.passage
        citation = cite(passage, Span(run[0].sentence.span.start, run[-1].sentence.span.end), marker)
        shown = " ".join(flat(passage.text, candidate.sentence.span) for candidate in run)
        parts.append(Part(text=f"{shown} [{marker}]{_gap(runs, marker)}", markers=(marker,), citations=(citation,)))
    return tuple(parts)


def _runs(chosen: Sequence[_Candidate]) -> list[list[_Candidate]]:
    """Join neighbours of one passage, up to what one citation may quote."""
    runs: list[list[_Candidate]] = []
    for candidate in chosen:
        last = runs[-1] if runs else None
        if (
            last
            and len(last) < MAX_QUOTE_SENTENCES
            and last[-1].evidence is candidate.evidence
            and last[-1].place + 1 == candidate.place
        ):
            last.append(candidate)
        else:
            runs.append([candidate])
    return runs


def _gap(runs: Sequence[Sequence[_Candidate]], marker: int) -> str:
    """Return what stands after the run with that marker: a new paragraph where the passage changes."""
    if marker == len(runs):
        return ""
    return " " if runs[marker - 1][0].evidence is runs[marker][0].evidence else "\n\n"


def cite(passage: ScopedPassage, span: Span, marker: int) -> Citation:
    """Return the citation of `span`, offsets into the passage's text."""
    return Citation(
        marker=marker,
        passage_id=passage.passage_id,
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        page=passage.page,
        quote=passage.text[span.start : span.end],
        char_start=passage.char_start + span.start,
        char_end=passage.char_start + span.end,
    )


def _outcome(verdict: Verdict, retrieved: Sequence[RetrievedPassage]) -> Outcome:
    record = {"by": "quoting", "passages": [str(item.passage.passage_id) for item in retrieved]}
    return Outcome(verdict=verdict, degraded=True, record=record)
