"""Does the right paragraph come first? Recall at 1 and 5 and mean reciprocal rank, by words, by meaning and by both."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from tests.bench.report import Figure
from tests.evals.corpus import Corpus
from tests.evals.questions import Question

DEPTH = 20
METRICS = ("recall_at_1", "recall_at_5", "mrr")
Scores = dict[str, float]


async def measure(corpus: Corpus, dense_passages: int) -> list[Figure]:
    """Return three figures for each method; hybrid's peer is the better of the other two."""
    scope = corpus.scope()

    async def by_words(question: Question) -> list[UUID]:
        return [hit.passage_id for hit in await corpus.sparse(question, scope, DEPTH)]

    async def by_meaning(question: Question) -> list[UUID]:
        return [hit.passage_id for hit in await corpus.dense(question, scope, DEPTH)]

    async def by_both(question: Question) -> list[UUID]:
        found = (await corpus.retrieve(question, scope, DEPTH)).passages
        return [item.passage.passage_id for item in found]

    methods = {"dense": by_meaning, "sparse": by_words, "hybrid": by_both}
    scores = {name: await _scores(corpus, method) for name, method in methods.items()}
    return [figure for name in methods for figure in _figures(corpus, name, scores, dense_passages)]


def gap(figures: Sequence[Figure]) -> list[Figure]:
    """Return by how much English is ahead of Arabic in what the product does."""
    by_name = {figure.name: figure for figure in figures}
    return [
        Figure(
            name=f"retrieval/gap/{metric}",
            value=by_name[f"retrieval/en/hybrid/{metric}"].value - by_name[f"retrieval/ar/hybrid/{metric}"].value,
            unit="share",
            n=by_name[f"retrieval/ar/hybrid/{metric}"].n,
            note="English minus Arabic, as the product searches",
        )
        for metric in METRICS
    ]


async def _scores(corpus: Corpus, method: Callable[[Question], Awaitable[list[UUID]]]) -> Scores:
    ranks = []
    for question in corpus.set.questions:
        found = await method(question)
        gold = corpus.ids[question.gold]
        ranks.append(found.index(gold) + 1 if gold in found else None)
    count = len(ranks)
    return {
        "recall_at_1": sum(rank == 1 for rank in ranks) / count,
        "recall_at_5": sum(rank is not None and rank <= 5 for rank in ranks) / count,
        "mrr": sum(1 / rank for rank in ranks if rank) / count,
    }


def _figures(corpus: Corpus, method: str, scores: dict[str, Scores], dense_passages: int) -> list[Figure]:
    note = ""
    if method == "dense" and not dense_passages:
        note = "the embedder does not know this language: no passage has a dense vector"
    figures = []
    for metric in METRICS:
        figure = Figure(
            name=f"retrieval/{corpus.language}/{method}/{metric}",
            value=scores[method][metric],
            unit="share",
            n=len(corpus.set.questions),
            note=note,
        )
        if method == "hybrid":
            best = max(("dense", "sparse"), key=lambda name: scores[name][metric])
            figure.peer, figure.peer_value = f"the better of both: {best}", scores[best][metric]
        figures.append(figure)
    return figures
