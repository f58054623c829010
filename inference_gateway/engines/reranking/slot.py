"""The place of the reranker in a running gateway. Imports no torch."""

from collections.abc import Callable, Sequence
from functools import partial

from inference_gateway.engines.loading import Report
from inference_gateway.engines.protocol import Scores
from inference_gateway.engines.reranking.engine import RERANKING, BatchingReranker
from inference_gateway.engines.slot import ModelSlot, load_encoder
from inference_gateway.errors import RerankingUnavailable

Load = Callable[[Report], BatchingReranker]


def load_reranker(model: str, sha256: str, report: Report) -> BatchingReranker:
    """Return the engine of a reranking model."""
    return BatchingReranker(load_encoder("reranking.cross_encoder.PairEncoder", model, sha256, report))


class RerankerSlot(ModelSlot[BatchingReranker]):
    """The place of the reranker."""

    def __init__(self, model: str, sha256: str = "", load: Load | None = None) -> None:
        super().__init__(model, load or partial(load_reranker, model, sha256), RERANKING)

    async def scores(self, query: str, texts: Sequence[str], *, truncate: bool = True) -> Scores:
        """Score with the loaded engine; raises as `engine` and `BatchingReranker.scores` do."""
        return await self.engine().scores(query, texts, truncate=truncate)


class NoReranker:
    """Stands where none is set up."""

    def start(self) -> None:
        """Nothing begins."""

    async def scores(self, query: str, texts: Sequence[str], *, truncate: bool = True) -> Scores:  # noqa: ARG002
        """Raise `RerankingUnavailable`."""
        raise RerankingUnavailable("No reranking model is set up.")

    async def check(self) -> None:
        """Nothing can be wrong with it."""

    async def aclose(self) -> None:
        """Nothing ends."""
