"""The place of the embedder in a running gateway."""

import asyncio
import importlib
from collections.abc import Callable, Sequence

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines.batching import BatchingEmbedder, Embedded
from inference_gateway.engines.loading import Loading, LoadProgress, Report
from inference_gateway.errors import EmbedderFailed, ModelLoading

Load = Callable[[str, Report], BatchingEmbedder]


def load_embedder(embedder: str, report: Report, sha256: str = "") -> BatchingEmbedder:
    """Find, check, load and warm up the model. torch is imported here, in the thread that calls, and nowhere else."""
    report("finding files")
    files_module = importlib.import_module("inference_gateway.engines.model_files")
    files = files_module.locate_model(embedder, sha256)
    report("importing torch")
    encoder_module = importlib.import_module("inference_gateway.engines.sentence_encoder")
    report("loading weights")
    encoder = encoder_module.SentenceEncoder(files)
    report("warming up")
    encoder.warm_up()
    return BatchingEmbedder(encoder)


class EmbedderSlot:
    """Holds the embedder from the start of loading to the end of the process."""

    def __init__(self, embedder: str, load: Load = load_embedder) -> None:
        self._loading = Loading(embedder or "packaged embedder", lambda report: load(embedder, report))

    @property
    def progress(self) -> LoadProgress:
        """How far loading is."""
        return self._loading.progress

    def start(self) -> None:
        """Begin to load in the background."""
        self._loading.start()

    def engine(self) -> BatchingEmbedder:
        """Return the loaded engine.

        Raises:
            ModelLoading: not yet.
            EmbedderFailed: never; the log says why.
        """
        if self._loading.engine is not None:
            return self._loading.engine
        if self._loading.failure is not None:
            raise EmbedderFailed(f"The embedding model could not be loaded: {self._loading.failure}")
        raise ModelLoading(f"The embedding model is loading ({self._loading.stage}).", retry_after_seconds=2)

    def info(self) -> ModelInfo:
        """Return the facts about the loaded model; raises as `engine` does."""
        return self.engine().info

    async def embed(self, texts: Sequence[str], lane: Lane, *, truncate: bool = True) -> Embedded:
        """Embed with the loaded engine; raises as `engine` and `BatchingEmbedder.embed` do."""
        return await self.engine().embed(texts, lane, truncate=truncate)

    async def check(self) -> None:
        """Health check: a sentence is embedded unless one was lately; raises `StillLoading` while loading."""
        await self._loading.settled()
        await self.engine().check()

    def close(self) -> None:
        """Stop computing; a load under way is left to end with the process."""
        self._loading.close()

    async def aclose(self) -> None:
        """Do as `close`, and let others go on meanwhile."""
        await asyncio.to_thread(self.close)
