"""Dynamic batching in front of one encoder: tokenise ahead in one thread, compute in others, wake the request.

Several single-threaded workers beat one with a thread per core: no barrier after each operation (52 against 43 passages
a second on two idle cores), and none that waits for a core that another process holds (26 against 7 on busy ones).
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines.lanes import LaneLimits, LaneQueue, Work
from inference_gateway.engines.metrics import BATCH_TEXTS, EMBEDDED_TEXTS, QUEUE_SECONDS
from inference_gateway.engines.tickets import Ticket
from inference_gateway.errors import EmbedderFailed
from ops.runtime.logging import get_logger

log = get_logger(__name__)

PROBE_TEXT = "The quick brown fox jumps over the lazy dog."
TEXTS_TOKENISED_AT_ONCE = 32
HEALTHY_FOR_SECONDS = 10.0
CLOSE_SECONDS = 10.0


class Prepared(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A text in the encoder's own form, and its length in tokens."""

    tokens: int
    features: Any


class Encoder(Protocol):
    """A model that turns texts into vectors, in two steps that run in different threads."""

    info: ModelInfo
    limits: LaneLimits
    workers: int

    def enter_worker(self) -> None:
        """Called once in each of the `workers` threads before its first batch."""

    def prepare(self, texts: Sequence[str], lane: Lane) -> list[Prepared]:
        """Tokenise; called from one thread only."""

    def encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        """Compute one vector a text, as little-endian float32; called from all workers at once."""


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors in the order of the texts, each `dimensions` × 4 bytes, and the tokens that were read."""

    rows: list[bytes]
    tokens: int


class BatchingEmbedder:
    """The embedded embeddings engine. `embed` runs on any event loop."""

    def __init__(self, encoder: Encoder) -> None:
        self.info = encoder.info
        self._encoder = encoder
        self._queue = LaneQueue(encoder.limits)
        self._tokeniser = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise")
        self._last_success = 0.0
        self._workers = [
            threading.Thread(target=self._run, name=f"embed-{number}", daemon=True) for number in range(encoder.workers)
        ]
        for worker in self._workers:
            worker.start()

    async def embed(self, texts: Sequence[str], lane: Lane) -> Embedded:
        """Return one vector for each text. Cancelling the call drops what has not been computed yet.

        Raises:
            GatewayOverloaded: the lane is full.
            EmbedderFailed: the model failed on this request or the engine is closed.
        """
        self._queue.reserve(lane, len(texts))
        ticket = Ticket(len(texts))
        unfilled = len(texts)
        tokens = 0
        try:
            for start in range(0, len(texts), TEXTS_TOKENISED_AT_ONCE):
                works = await self._prepare(ticket, start, texts[start : start + TEXTS_TOKENISED_AT_ONCE], lane)
                unfilled -= len(works)
                if not self._queue.put(lane, works):
                    raise EmbedderFailed("The embedding engine is shutting down.", retry_after_seconds=1)
                tokens += sum(work.tokens for work in works)
            return Embedded(rows=await ticket.rows(), tokens=tokens)
        finally:
            self._queue.release(lane, unfilled)
            self._queue.discard(ticket)

    async def check(self) -> None:
        """Return at once when a batch succeeded lately, else embed a fixed sentence.

        Raises:
            EmbedderFailed: the model does not work, or one of its threads has died.
        """
        if not all(worker.is_alive() for worker in self._workers):
            raise EmbedderFailed("A compute thread has ended.")
        if time.monotonic() - self._last_success > HEALTHY_FOR_SECONDS:
            await self.embed([PROBE_TEXT], "query")

    def close(self) -> None:
        """Fail what waits and end all threads; a batch under way is finished first."""
        for work in self._queue.close():
            work.ticket.fail(EmbedderFailed("The embedding engine is shutting down.", retry_after_seconds=1))
        for worker in self._workers:
            worker.join(timeout=CLOSE_SECONDS)
        self._tokeniser.shutdown(wait=False, cancel_futures=True)

    async def _prepare(self, ticket: Ticket, start: int, texts: Sequence[str], lane: Lane) -> list[Work]:
        loop = asyncio.get_running_loop()
        try:
            prepared = await loop.run_in_executor(self._tokeniser, self._encoder.prepare, texts, lane)
        except RuntimeError as error:
            raise EmbedderFailed("A text could not be tokenised.") from error
        return [
            Work(ticket=ticket, lane=lane, position=start + i, tokens=item.tokens, prepared=item)
            for i, item in enumerate(prepared)
        ]

    def _run(self) -> None:
        self._encoder.enter_worker()
        while batch := self._queue.take():
            started_at = time.perf_counter()
            try:
                rows = self._encoder.encode([work.prepared for work in batch])
            except Exception as error:  # noqa: BLE001 - a batch that fails must not end the thread
                self._fail(batch, error)
                continue
            self._last_success = time.monotonic()
            self._deliver(batch, rows)
            self._measure(batch, started_at)

    def _deliver(self, batch: list[Work], rows: list[bytes]) -> None:
        finished: dict[Ticket, list[tuple[int, bytes]]] = {}
        for work, row in zip(batch, rows, strict=True):
            finished.setdefault(work.ticket, []).append((work.position, row))
        for ticket, placed in finished.items():
            ticket.deliver(placed)

    def _fail(self, batch: list[Work], error: Exception) -> None:
        log.error("embedding_batch_failed", texts=len(batch), error_kind=type(error).__name__)
        for ticket in {work.ticket for work in batch}:
            self._queue.discard(ticket)
            ticket.fail(EmbedderFailed("The embedding model failed on this request."))

    def _measure(self, batch: list[Work], started_at: float) -> None:
        ended_at = time.perf_counter()
        lane = batch[0].lane
        self._queue.observe(lane, len(batch), ended_at - started_at)
        EMBEDDED_TEXTS.labels(lane).inc(len(batch))
        BATCH_TEXTS.labels(lane).observe(len(batch))
        QUEUE_SECONDS.labels(lane).observe(started_at - min(work.ticket.created_at for work in batch))
