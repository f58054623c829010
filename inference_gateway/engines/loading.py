"""A model on its way into a running gateway: loading, ready or failed. Loads in a thread, so HTTP answers at once."""

import gc
import threading
from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from ops.runtime.health import StillLoading
from ops.runtime.logging import get_logger

log = get_logger(__name__)

Stage = Literal["starting", "finding files", "importing torch", "loading weights", "warming up", "ready", "failed"]
STAGES: tuple[Stage, ...] = ("starting", "finding files", "importing torch", "loading weights", "warming up", "ready")
Report = Callable[[Stage], None]


class Closable(Protocol):
    """What computes with the model."""

    def close(self) -> None: ...


Loaded = TypeVar("Loaded", bound=Closable)


class LoadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the model is: `fraction` counts stages, not seconds."""

    stage: Stage
    fraction: float


class Loading(Generic[Loaded]):
    """Holds one engine from the start of loading to the end of the process; its callers look at `engine`, then `failure`."""

    def __init__(self, name: str, load: Callable[[Report], Loaded]) -> None:
        self.engine: Loaded | None = None
        self.failure: Exception | None = None
        self.stage: Stage = "starting"
        self._name = name
        self._load = load
        self._closed = False

    @property
    def progress(self) -> LoadProgress:
        """How far loading is."""
        done = STAGES.index(self.stage) if self.stage in STAGES else 0
        return LoadProgress(stage=self.stage, fraction=round(done / (len(STAGES) - 1), 2))

    def start(self) -> None:
        """Begin to load in the background."""
        threading.Thread(target=self._run, name="load-model", daemon=True).start()

    async def settled(self) -> None:
        """Health check: raises `StillLoading` until the model is ready or has failed."""
        if self.engine is None and self.failure is None:
            progress = self.progress
            raise StillLoading(f"{progress.stage} ({progress.fraction:.0%})")

    def close(self) -> None:
        """Stop computing; a load under way is left to end with the process."""
        self._closed = True
        if self.engine is not None:
            self.engine.close()

    def _run(self) -> None:
        try:
            engine = self._load(self._report)
        except Exception as error:
            self.failure = error
            self.stage = "failed"
            log.exception("model_failed", model=self._name)
            return
        # What a model brings stays to the end: a collector that walks it stops all streams for a third of a second each time.
        gc.collect()
        gc.freeze()
        self.engine = engine
        self.stage = "ready"
        log.info("model_ready", model=self._name)
        if self._closed:
            engine.close()

    def _report(self, stage: Stage) -> None:
        self.stage = stage
        log.info("model_loading", model=self._name, stage=stage)
