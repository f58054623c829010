"""A gateway behind a real socket with an encoder that needs no model, for tests of everything but the model."""

import hashlib
import os
import struct
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from inference_gateway.app import Stores, create_app
from inference_gateway.caller import Caller
from inference_gateway.contract import GENERATE_PURPOSE, ChatDelta, ChatRequest, Lane, ModelInfo
from inference_gateway.engines.batching import BatchingEmbedder, Prepared
from inference_gateway.engines.lanes import LaneLimits
from inference_gateway.engines.loading import Report
from inference_gateway.engines.protocol import Reranker
from inference_gateway.engines.slot import EmbedderSlot
from inference_gateway.generation import Generation
from inference_gateway.routing.build import router_from
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import single
from inference_gateway.unset import unset_ports
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.protocol import Upstream
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceClaims, ServiceTokens
from tests.fakes.uvicorn_thread import served

DIMENSIONS = 8
NOBODY = Caller(tenant_id=None, user_id=None, purpose=GENERATE_PURPOSE)
INFO = ModelInfo(
    embedder="tests/hashing", revision="0" * 64, dimensions=DIMENSIONS, languages=("en", "ar"), max_tokens=128
)


@dataclass
class HashingEncoder:
    """Vectors from a hash of the text. `gate` holds every batch back; `batches` are the texts as they were computed,
    `prepared` all that were about to wait for that.
    """

    limits: LaneLimits = field(default_factory=LaneLimits)
    seconds_per_batch: float = 0.0
    gate: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)
    failure: Exception | None = None
    info: ModelInfo = INFO
    workers: int = 1
    prepared: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def enter_worker(self) -> None:
        """Nothing to set up."""

    def prepare(self, texts: Sequence[str], lane: Lane) -> list[Prepared]:
        self.prepared += texts
        return [Prepared(tokens=len(text.split()), features=text) for text in texts]

    def lengths(self, texts: Sequence[str], lane: Lane) -> list[int]:
        return [len(text.split()) for text in texts]

    def encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        self.batches.append([item.features for item in batch])
        self.gate.wait(timeout=20)
        time.sleep(self.seconds_per_batch)
        if self.failure is not None:
            raise self.failure
        return [vector_bytes(item.features) for item in batch]


def vector_bytes(text: str) -> bytes:
    """Return the vector that `HashingEncoder` gives for `text`."""
    digest = hashlib.sha256(text.encode()).digest()[:DIMENSIONS]
    return struct.pack(f"<{DIMENSIONS}f", *(byte / 256 for byte in digest))


def vector(text: str) -> list[float]:
    """Return the vector that `HashingEncoder` gives for `text`, as numbers."""
    return list(struct.unpack(f"<{DIMENSIONS}f", vector_bytes(text)))


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that answers at `url`."""

    url: str
    key: bytes
    encoder: HashingEncoder

    def token(self, purpose: str) -> str:
        """Return a good token for `purpose`."""
        return ServiceTokens(self.key).issue(ServiceClaims(tenant_id=None, user_id=None, purpose=purpose))

    def headers(self, purpose: str) -> dict[str, str]:
        """Return the headers of a request for `purpose`."""
        return {"Authorization": f"Bearer {self.token(purpose)}"}


def pipe_of(upstream: Upstream, deadlines: Deadlines | None = None) -> Generation:
    """Return a pipe with one upstream and nothing else behind it."""
    return Generation(single(Member("only", upstream, deadlines=deadlines)))


def deltas_of(generation: Generation, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
    """Return what the pipe gives nobody in particular."""
    return generation.open(request, NOBODY).deltas


@contextmanager
def running_gateway(
    *,
    encoder: HashingEncoder | None = None,
    loading: threading.Event | None = None,
    generation_url: str = "",
    deadlines: Deadlines | None = None,
    permits: int = 4,
    key: bytes = b"",
    generation_api: Literal["openai", "tgi"] = "openai",
    model: str = "",
    routes: Path | None = None,
    stores: Stores = nullcontext,
    reranker: Reranker | None = None,
) -> Iterator[RunningGateway]:
    """Serve a gateway; with `loading` its embedder is ready only once that event is set. A key is made unless given.

    `model` is a folder for the embedded generation engine, which may still be loading; `routes` a routing file; `stores` opens what
    stands behind the ports.
    """
    encoder = encoder or HashingEncoder()

    def load(_embedder: str, report: Report) -> BatchingEmbedder:
        report("loading weights")
        if loading is not None:
            loading.wait(timeout=20)
        return BatchingEmbedder(encoder)

    key = key or os.urandom(32)
    slot = EmbedderSlot("", load)
    router = router_from(
        Settings(
            generation_url=generation_url,
            generation_model="tutor",
            generation_api=generation_api,
            model=model,
            routes=routes,
        ),
        deadlines,
    )
    app = create_app(ServiceTokens(key), slot, Generation(router, unset_ports(permits)), stores, reranker)
    with served(app) as url:
        while loading is None and slot.progress.stage != "ready":
            time.sleep(0.005)
        yield RunningGateway(url, key, encoder)
