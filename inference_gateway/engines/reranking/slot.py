"""The place of the reranker in a running gateway. Imports no torch."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from functools import partial

from inference_gateway.engines.loading import Loading, LoadProgress, Report
from inference_gateway.engines.protocol import Scores
from inference_gateway.engines.reranking.engine import BatchingReranker
from inference_gateway.errors import ModelLoading, RerankingUnavailable

Load = Callable[[Report], BatchingReranker]


def load_reranker(model: str, sha256: str, report: Report) -> BatchingReranker:
    """Find, check, load and warm up the model. torch is imported here, in the thread that calls, and nowhere else."""
    report("finding files")
    files_module = importlib.import_module("inference_gateway.engines.model_files")
    files = files_module.locate_model(model, sha256)
    report("importing torch")
    encoder_module = importlib.import_module("inference_gateway.engines.reranking.cross_encoder")
    report("loading weights")
    encoder = encoder_module.PairEncoder(files)
    report("warming up")
    encoder.warm_up()
    return BatchingReranker(encoder)


class RerankerSlot:
    """Holds the reranker from the start of loading to the end of the process."""

    def __init__(self, model: str, sha256: str = "", load: Load | None = None) -> None:
        self._loading = Loading(model, load or partial(load_reranker, model, sha256))

    @property
    def progress(self) -> LoadProgress:
        """How far loading is."""
        return self._loading.progress

    def start(self) -> None:
        """Begin to load in the background."""
        self._loading.start()

    async def scores(self, query: str, texts: Sequence[str], *, truncate: bool = True) -> Scores:
        """Score with the loaded engine.

        Raises:
            ModelLoading: not yet.
            RerankingUnavailable: never; the log says why.
        """
        return await self._engine().scores(query, texts, truncate=truncate)

    async def check(self) -> None:
        """Health check: a pair is scored unless one was lately; raises `StillLoading` while loading."""
        await self._loading.settled()
        await self._engine().check()

    async def aclose(self) -> None:
        """Stop computing; a load under way is left to end with the process."""
        await asyncio.to_thread(self._loading.close)

    def _engine(self) -> BatchingReranker:
        if self._loading.engine is not None:
            return self._loading.engine
        if self._loading.failure is not None:
            raise RerankingUnavailable(f"The reranking model could not be loaded: {self._loading.failure}")
        raise ModelLoading(f"The reranking model is loading ({self._loading.stage}).", retry_after_seconds=2)


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
