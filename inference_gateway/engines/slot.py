"""The place of a model in a running gateway, and the embedder's. Imports no torch."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines.batching import EMBEDDING, BatchingEmbedder, Embedded, Trade
from inference_gateway.engines.loading import Closable, Loading, LoadProgress, Report
from inference_gateway.errors import ModelLoading

Load = Callable[[str, Report], BatchingEmbedder]


class Checked(Closable, Protocol):
    """An engine that can say how it is."""

    async def check(self) -> None: ...


Engine = TypeVar("Engine", bound=Checked)


def load_encoder(kind: str, model: str, sha256: str, report: Report) -> Any:
    """Find, check, load and warm up a model; `kind` is its encoder, `module.Class` below the engines.

    torch is imported here, in the thread that calls, and nowhere else.
    """
    report("finding files")
    files_module = importlib.import_module("inference_gateway.engines.model_files")
    files = files_module.locate_model(model, sha256)
    report("importing torch")
    module, _, name = kind.rpartition(".")
    encoder_module = importlib.import_module(f"inference_gateway.engines.{module}")
    report("loading weights")
    encoder = getattr(encoder_module, name)(files)
    report("warming up")
    encoder.warm_up()
    return encoder


def load_embedder(embedder: str, report: Report, sha256: str = "") -> BatchingEmbedder:
    """Return the engine of an embedding model; empty for the packaged one."""
    return BatchingEmbedder(load_encoder("sentence_encoder.SentenceEncoder", embedder, sha256, report))


class ModelSlot(Generic[Engine]):
    """Holds an engine of the trade from the start of loading to the end of the process."""

    def __init__(self, name: str, load: Callable[[Report], Engine], trade: Trade) -> None:
        self._loading = Loading(name, load)
        self._trade = trade

    @property
    def progress(self) -> LoadProgress:
        """How far loading is."""
        return self._loading.progress

    def start(self) -> None:
        """Begin to load in the background."""
        self._loading.start()

    def engine(self) -> Engine:
        """Return the loaded engine.

        Raises:
            ModelLoading: not yet.
            GatewayError: of the trade's kind: never; the log says why.
        """
        if self._loading.engine is not None:
            return self._loading.engine
        if self._loading.failure is not None:
            raise self._trade.failed(f"The {self._trade.name} model could not be loaded: {self._loading.failure}")
        raise ModelLoading(f"The {self._trade.name} model is loading ({self._loading.stage}).", retry_after_seconds=2)

    async def check(self) -> None:
        """Health check: something is computed unless it was lately; raises `StillLoading` while loading."""
        await self._loading.settled()
        await self.engine().check()

    def close(self) -> None:
        """Stop computing; a load under way is left to end with the process."""
        self._loading.close()

    async def aclose(self) -> None:
        """Do as `close`, and let others go on meanwhile."""
        await asyncio.to_thread(self.close)


class EmbedderSlot(ModelSlot[BatchingEmbedder]):
    """The place of the embedder."""

    def __init__(self, embedder: str, load: Load = load_embedder) -> None:
        super().__init__(embedder or "packaged embedder", lambda report: load(embedder, report), EMBEDDING)

    def info(self) -> ModelInfo:
        """Return the facts about the loaded model; raises as `engine` does."""
        return self.engine().info

    async def embed(self, texts: Sequence[str], lane: Lane, *, truncate: bool = True) -> Embedded:
        """Embed with the loaded engine; raises as `engine` and `BatchingEmbedder.embed` do."""
        return await self.engine().embed(texts, lane, truncate=truncate)
