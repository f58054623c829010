"""The place of the generator in a running gateway, which looks like any other generation server. Imports no torch."""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import msgspec

from inference_gateway.adapters.supply import AdapterSupply
from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.engines.generation.files import model_name
from inference_gateway.engines.loading import Loading, LoadProgress, Report
from inference_gateway.errors import GenerationUnavailable
from inference_gateway.ports import AuthorisedAdapter
from inference_gateway.upstreams.protocol import Tokenized

RETRY_AFTER_SECONDS = 2


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings ask for: a folder or hub id, the sha256 of its weights or '', and the precision.

    Without `supply` the base model alone is served.
    """

    model: str
    sha256: str = ""
    precision: str = "auto"
    supply: AdapterSupply | None = None


class Engine(Protocol):
    """`GenerationEngine`, as far as the slot knows it."""

    def stream(
        self, request: ChatRequest, adapter: AuthorisedAdapter | None = None
    ) -> AsyncGenerator[ChatDelta, None]: ...

    async def tokenize(self, request: ChatRequest) -> Tokenized: ...

    async def check(self) -> None: ...

    def close(self) -> None: ...


Load = Callable[[Wanted, Report], Engine]


def load_engine(wanted: Wanted, report: Report) -> Engine:
    """Find, check, load and warm up the model. torch is imported here, in the thread that calls, and nowhere else."""
    report("finding files")
    files_module = importlib.import_module("inference_gateway.engines.generation.files")
    files = files_module.locate_generator(wanted.model, wanted.sha256)
    report("importing torch")
    model_module = importlib.import_module("inference_gateway.engines.generation.model")
    engine_module = importlib.import_module("inference_gateway.engines.generation.engine")
    report("loading weights")
    model = model_module.LanguageModel(files, wanted.precision)
    engine: Engine = engine_module.GenerationEngine(model, supply=wanted.supply)
    report("warming up")
    asyncio.run(engine.check())
    return engine


class GeneratorSlot:
    """Holds the engine from the start of loading to the end of the process; an `Upstream` and a `Loading`."""

    def __init__(self, wanted: Wanted, load: Load = load_engine) -> None:
        self.model = model_name(wanted.model)
        self._loading = Loading(self.model, lambda report: load(wanted, report))

    @property
    def progress(self) -> LoadProgress:
        """How far loading is."""
        return self._loading.progress

    def start(self) -> None:
        """Begin to load in the background."""
        self._loading.start()

    async def settled(self) -> None:
        """Health check: raises `StillLoading` until the model is ready or has failed."""
        await self._loading.settled()

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer of the base model, as `GenerationEngine.stream` does.

        Raises:
            GenerationUnavailable: the model is loading, or could not be loaded; the sentence says why.
        """
        return self._stream(request, None)

    def stream_with(self, request: ChatRequest, adapter: AuthorisedAdapter) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer with an adapter; where it cannot be had, the base model's, `degraded`.

        Raises:
            AdapterUnknown: the gate has not authorised it for this request's person.
            GenerationUnavailable: as `stream`.
        """
        return self._stream(request, adapter)

    async def _stream(self, request: ChatRequest, adapter: AuthorisedAdapter | None) -> AsyncGenerator[ChatDelta, None]:
        async with aclosing(self._ready().stream(request, adapter)) as deltas:
            async for delta in deltas:
                yield delta

    async def tokenize(self, request: ChatRequest) -> Tokenized:
        """Return the prompt's tokens; raises as `stream`."""
        return await self._ready().tokenize(request)

    async def check(self) -> None:
        """Health check of the loaded engine; raises `StillLoading` while loading."""
        await self.settled()
        await self._ready().check()

    async def close(self) -> None:
        """Stop computing; a load under way is left to end with the process."""
        await asyncio.to_thread(self._loading.close)

    def _ready(self) -> Engine:
        if self._loading.engine is not None:
            return self._loading.engine
        if self._loading.failure is not None:
            raise GenerationUnavailable(f"The generation model could not be loaded: {self._loading.failure}")
        raise GenerationUnavailable(
            f"The generation model is loading ({self._loading.stage}).", retry_after_seconds=RETRY_AFTER_SECONDS
        )
