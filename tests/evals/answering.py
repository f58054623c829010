"""The quoting tutor: how often its answer holds the gold span, cited, and how often it is wrong about having one.

A question put to the paragraphs of all other articles has no answer there.
"""

from statistics import median

from rag.answer import MAX_SENTENCES, MAX_WORDS, Quoted, quote
from rag.scope import Scope
from tests.bench.report import Figure
from tests.evals.corpus import Corpus
from tests.evals.questions import Question

PASSAGES = 12


async def measure(corpus: Corpus) -> list[Figure]:
    """Return the share of good answers with their median length, and both kinds of error."""
    everything = corpus.scope()
    scopes = {article: corpus.scope(without=article) for article in range(corpus.set.articles)}
    good, refused, invented, lengths = 0, 0, 0, []
    for question in corpus.set.questions:
        quoted = await _quote(corpus, question, everything)
        if quoted.outcome.verdict == "not_in_material":
            refused += 1
        else:
            lengths.append(_words(quoted))
            good += _is_within_limits(quoted) and _holds_gold(corpus, quoted, question)
        elsewhere = scopes[corpus.set.paragraphs[question.gold].article]
        invented += (await _quote(corpus, question, elsewhere)).outcome.verdict != "not_in_material"
    count = len(corpus.set.questions)
    return [
        _figure(corpus, "gold_span", good / count, "share", "within its length limit, with a citation of the passage"),
        _figure(corpus, "words_median", median(lengths), "words", f"of at most {MAX_WORDS}; longest {max(lengths)}"),
        _figure(corpus, "false_not_in_material", refused / count, "share", "the answer stands in the material"),
        _figure(corpus, "false_answer", invented / count, "share", "the material is that of other articles"),
    ]


async def _quote(corpus: Corpus, question: Question, scope: Scope) -> Quoted:
    retrieval = await corpus.retrieve(question, scope, PASSAGES)
    return quote(question.text, retrieval.language, retrieval.passages, retrieval.model)


def _words(quoted: Quoted) -> int:
    return sum(len(part.text.split()) for part in quoted.parts)


def _is_within_limits(quoted: Quoted) -> bool:
    return _words(quoted) <= MAX_WORDS and sum(len(part.markers) for part in quoted.parts) <= MAX_SENTENCES


def _holds_gold(corpus: Corpus, quoted: Quoted, question: Question) -> bool:
    gold = corpus.ids[question.gold]
    return any(
        citation.passage_id == gold and citation.char_start <= question.start and question.end <= citation.char_end
        for part in quoted.parts
        for citation in part.citations
    )


def _figure(corpus: Corpus, name: str, value: float, unit: str, note: str) -> Figure:
    return Figure(
        name=f"quoting/{corpus.language}/{name}", value=value, unit=unit, n=len(corpus.set.questions), note=note
    )
