"""The place of the embedder in a running gateway: loading, ready or failed. Loads in a thread, so HTTP answers at once."""

import contextlib
import importlib
import threading
from collections.abc import Callable
from typing import Literal

import msgspec

from inference_gateway.contract import Lane
from inference_gateway.engines.batching import BatchingEmbedder, Embedded
from inference_gateway.errors import EmbedderFailed, ModelLoading
from ops.runtime.health import StillLoading
from ops.runtime.logging import get_logger

log = get_logger(__name__)

Stage = Literal["starting", "finding files", "importing torch", "loading weights", "warming up", "ready", "failed"]
STAGES: tuple[Stage, ...] = ("starting", "finding files", "importing torch", "loading weights", "warming up", "ready")
Report = Callable[[Stage], None]
Load = Callable[[str, Report], BatchingEmbedder]


class LoadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the model is: `fraction` counts stages, not seconds."""

    stage: Stage
    fraction: float


def load_embedder(embedder: str, report: Report) -> BatchingEmbedder:
    """Find, check, load and warm up the model. torch is imported here, in the thread that calls, and nowhere else."""
    report("finding files")
    files_module = importlib.import_module("inference_gateway.engines.model_files")
    files = files_module.locate_model(embedder)
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
        self._embedder = embedder
        self._load = load
        self._engine: BatchingEmbedder | None = None
        self._failure: Exception | None = None
        self._stage: Stage = "starting"
        self._closed = False

    @property
    def progress(self) -> LoadProgress:
        """How far loading is."""
        done = STAGES.index(self._stage) if self._stage in STAGES else 0
        return LoadProgress(stage=self._stage, fraction=round(done / (len(STAGES) - 1), 2))

    def start(self) -> None:
        """Begin to load in the background."""
        threading.Thread(target=self._run, name="load-embedder", daemon=True).start()

    def engine(self) -> BatchingEmbedder:
        """Return the loaded engine.

        Raises:
            ModelLoading: not yet.
            EmbedderFailed: never; the log says why.
        """
        if self._engine is not None:
            return self._engine
        if self._failure is not None:
            raise EmbedderFailed(f"The embedding model could not be loaded: {self._failure}")
        raise ModelLoading(f"The embedding model is loading ({self._stage}).", retry_after_seconds=2)

    async def embed(self, texts: list[str], lane: Lane) -> Embedded:
        """Embed with the loaded engine; raises as `engine` and `BatchingEmbedder.embed` do."""
        return await self.engine().embed(texts, lane)

    async def check(self) -> None:
        """Health check: a sentence is embedded unless one was lately; raises `StillLoading` while loading."""
        with contextlib.suppress(ModelLoading):
            return await self.engine().check()
        progress = self.progress
        raise StillLoading(f"{progress.stage} ({progress.fraction:.0%})")

    def close(self) -> None:
        """Stop computing; a load under way is left to end with the process."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()

    def _run(self) -> None:
        try:
            engine = self._load(self._embedder, self._report)
        except Exception as error:
            self._failure = error
            self._stage = "failed"
            log.exception("embedder_failed", embedder=self._embedder or "packaged")
            return
        self._engine = engine
        self._stage = "ready"
        log.info("embedder_ready", embedder=engine.info.embedder, revision=engine.info.revision[:12])
        if self._closed:
            engine.close()

    def _report(self, stage: Stage) -> None:
        self._stage = stage
        log.info("embedder_loading", stage=stage)
