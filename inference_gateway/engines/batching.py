"""Dynamic batching in front of one encoder: tokenise ahead in one thread, compute in others, wake the request.

Several single-threaded workers beat one with a thread per core: no barrier after each operation (52 against 43 passages
a second on two idle cores), and none that waits for a core that another process holds (26 against 7 on busy ones).
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from inference_gateway.contract import Lane, ModelInfo
from inference_gateway.engines import metrics
from inference_gateway.engines.lanes import LaneLimits, LaneQueue, Work
from inference_gateway.engines.tickets import Ticket
from inference_gateway.errors import EmbedderFailed, GatewayError, RequestRefused
from ops.runtime.logging import get_logger

log = get_logger(__name__)

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)

PROBE_TEXT = "The quick brown fox jumps over the lazy dog."
TEXTS_TOKENISED_AT_ONCE = 32
HEALTHY_FOR_SECONDS = 10.0
CLOSE_SECONDS = 10.0


class Prepared(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A text in the encoder's own form, and its length in tokens."""

    tokens: int
    features: Any


class Encoder(Protocol[Item_contra]):
    """A model that turns items into rows of numbers, in two steps that run in different threads."""

    limits: LaneLimits
    workers: int

    def enter_worker(self) -> None:
        """Called once in each of the `workers` threads before its first batch."""

    def prepare(self, items: Sequence[Item_contra], lane: Lane, /) -> list[Prepared]:
        """Tokenise, cutting what is too long; called from one thread only."""

    def lengths(self, items: Sequence[Item_contra], lane: Lane, /) -> list[int]:
        """Return the tokens of each item if nothing were cut; called from the same thread."""

    def encode(self, batch: Sequence[Prepared]) -> list[bytes]:
        """Compute one row an item, as little-endian float32; called from all workers at once."""


class TextEncoder(Encoder[str], Protocol):
    """A model that turns texts into vectors."""

    info: ModelInfo


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in the order of the items, each of float32 numbers, and the tokens that were read."""

    rows: list[bytes]
    tokens: int


class Bounds(msgspec.Struct, frozen=True):
    """The most tokens that an item may have, 0 for any, and the JSON pointer of the list that it stands in."""

    tokens: int
    pointer: str


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine does, for its logs and errors, and how it is measured."""

    name: str
    failed: type[GatewayError]
    metrics: metrics.BatchMetrics


EMBEDDING = Trade(name="embedding", failed=EmbedderFailed, metrics=metrics.EMBEDDING)


class BatchingEngine(Generic[Item]):
    """An engine around one encoder. `compute` runs on any event loop."""

    def __init__(self, encoder: Encoder[Item], trade: Trade, probe: Item) -> None:
        self._encoder = encoder
        self._trade = trade
        self._probe = probe
        self._queue = LaneQueue(encoder.limits)
        self._tokeniser = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise")
        self._last_success = 0.0
        self._workers = [
            threading.Thread(target=self._run, name=f"{trade.name}-{number}", daemon=True)
            for number in range(encoder.workers)
        ]
        for worker in self._workers:
            worker.start()

    async def compute(self, items: Sequence[Item], lane: Lane, within: Bounds | None = None) -> Embedded:
        """Return one row for each item. Cancelling the call drops what has not been computed yet.

        Raises:
            GatewayOverloaded: the lane is full.
            RequestRefused: an item is not `within` bounds.
            GatewayError: of the trade's kind: the model failed on this request or the engine is closed.
        """
        self._queue.reserve(lane, len(items))
        ticket = Ticket(len(items))
        unfilled = len(items)
        tokens = 0
        try:
            for start in range(0, len(items), TEXTS_TOKENISED_AT_ONCE):
                some = items[start : start + TEXTS_TOKENISED_AT_ONCE]
                if within is not None and within.tokens > 0:
                    await self._refuse_longer(some, start, lane, within)
                works = await self._prepare(ticket, start, some, lane)
                unfilled -= len(works)
                if not self._queue.put(lane, works):
                    raise self._closing()
                tokens += sum(work.tokens for work in works)
            return Embedded(rows=await ticket.rows(), tokens=tokens)
        finally:
            self._queue.release(lane, unfilled)
            self._queue.discard(ticket)

    async def check(self) -> None:
        """Return at once when a batch succeeded lately, else compute a fixed sentence.

        Raises:
            GatewayError: of the trade's kind: the model does not work, or one of its threads has died.
        """
        if not all(worker.is_alive() for worker in self._workers):
            raise self._trade.failed("A compute thread has ended.")
        if time.monotonic() - self._last_success > HEALTHY_FOR_SECONDS:
            await self.compute([self._probe], "query")

    def close(self) -> None:
        """Fail what waits and end all threads; a batch under way is finished first."""
        for work in self._queue.close():
            work.ticket.fail(self._closing())
        for worker in self._workers:
            worker.join(timeout=CLOSE_SECONDS)
        self._tokeniser.shutdown(wait=False, cancel_futures=True)

    async def _refuse_longer(self, items: Sequence[Item], start: int, lane: Lane, within: Bounds) -> None:
        loop = asyncio.get_running_loop()
        lengths = await loop.run_in_executor(self._tokeniser, self._encoder.lengths, items, lane)
        for index, tokens in enumerate(lengths, start):
            if tokens > within.tokens:
                raise RequestRefused(
                    f"This text has {tokens} tokens; the model takes {within.tokens}. Set `truncate` to have it cut.",
                    pointer=f"{within.pointer}/{index}",
                )

    def _closing(self) -> GatewayError:
        return self._trade.failed(f"The {self._trade.name} engine is shutting down.", retry_after_seconds=1)

    async def _prepare(self, ticket: Ticket, start: int, items: Sequence[Item], lane: Lane) -> list[Work]:
        loop = asyncio.get_running_loop()
        try:
            prepared = await loop.run_in_executor(self._tokeniser, self._encoder.prepare, items, lane)
        except RuntimeError as error:
            raise self._trade.failed("A text could not be tokenised.") from error
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
        log.error("batch_failed", engine=self._trade.name, texts=len(batch), error_kind=type(error).__name__)
        for ticket in {work.ticket for work in batch}:
            self._queue.discard(ticket)
            ticket.fail(self._trade.failed(f"The {self._trade.name} model failed on this request."))

    def _measure(self, batch: list[Work], started_at: float) -> None:
        ended_at = time.perf_counter()
        lane = batch[0].lane
        told = self._trade.metrics
        self._queue.observe(lane, len(batch), ended_at - started_at)
        told.texts.labels(lane).inc(len(batch))
        told.batch_texts.labels(lane).observe(len(batch))
        told.queue_seconds.labels(lane).observe(started_at - min(work.ticket.created_at for work in batch))


class BatchingEmbedder(BatchingEngine[str]):
    """The embedded embeddings engine."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__(encoder, EMBEDDING, PROBE_TEXT)
        self.info = encoder.info

    async def embed(self, texts: Sequence[str], lane: Lane, *, truncate: bool = True) -> Embedded:
        """Return one vector for each text.

        Raises:
            RequestRefused: a text is too long and may not be cut.
            GatewayOverloaded, EmbedderFailed: as `compute`.
        """
        return await self.compute(texts, lane, None if truncate else Bounds(self.info.max_tokens, "/inputs"))
