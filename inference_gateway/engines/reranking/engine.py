"""The embedded reranking engine: dynamic batching by length, whoever asked."""

from collections.abc import Sequence
from typing import Protocol

from inference_gateway.engines import metrics
from inference_gateway.engines.batching import PROBE_TEXT, BatchingEngine, Bounds, Encoder, Trade
from inference_gateway.engines.protocol import Scores
from inference_gateway.errors import RerankingUnavailable
from inference_gateway.rows import floats_of

Pair = tuple[str, str]
PROBE: Pair = ("What does the fox jump over?", PROBE_TEXT)
RERANKING = Trade(name="reranking", failed=RerankingUnavailable, metrics=metrics.RERANKING)


class PairScorer(Encoder[Pair], Protocol):
    """A model that gives one number for a question and a text; `max_tokens` of both together, 0 for any."""

    max_tokens: int


class BatchingReranker(BatchingEngine[Pair]):
    """Pairs of several requests share batches of like length: all go by the lane that is sorted."""

    def __init__(self, scorer: PairScorer) -> None:
        super().__init__(scorer, RERANKING, PROBE)
        self._max_tokens = scorer.max_tokens

    async def scores(self, query: str, texts: Sequence[str], *, truncate: bool = True) -> Scores:
        """Return one logit for each text, in order.

        Raises:
            RequestRefused: a pair is too long and may not be cut.
            GatewayOverloaded: too many wait.
            RerankingUnavailable: the model failed on this request, or the engine is closed.
        """
        pairs = [(query, text) for text in texts]
        computed = await self.compute(pairs, "passage", None if truncate else Bounds(self._max_tokens, "/texts"))
        return Scores(logits=floats_of(b"".join(computed.rows)), tokens=computed.tokens)
