"""Continuous batching: one thread owns the model and all that changes; sequences join and leave between its steps.

A step reads a bounded number of prompt tokens, so that those who generate never wait for a long prompt, then gives every
sequence of the batch one token. Prompts of about the same length that wait at the same step are read in one pass.
What a request gets does not depend on its neighbours, up to the rounding of larger matrices; at temperature 0, and for a
fixed seed, that changes a token only where two are equally likely to that rounding.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

import msgspec
from torch import Tensor

from inference_gateway.adapters.supply import AdapterSupply
from inference_gateway.contract import ChatDelta, ChatMessage, ChatRequest
from inference_gateway.engines.generation import metrics
from inference_gateway.engines.generation.adapters import Adapters
from inference_gateway.engines.generation.batch import Batch, Reading, is_worth_padding, padded_tokens
from inference_gateway.engines.generation.calls import Calling, CallReader, call_schema, calling_of
from inference_gateway.engines.generation.grammar import Grammar, Grammars
from inference_gateway.engines.generation.memory import is_exhausted, release
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.prompts import Prompter
from inference_gateway.engines.generation.sampling import choose
from inference_gateway.engines.generation.sequence import Outlet, Sequence, Wish, send_all
from inference_gateway.engines.generation.waiting import Waiting
from inference_gateway.errors import (
    AdapterUnknown,
    GatewayOverloaded,
    GenerationUnavailable,
    RequestRefused,
    UpstreamBroken,
)
from inference_gateway.ports import AuthorisedAdapter
from inference_gateway.upstreams.protocol import Tokenized
from ops.runtime.logging import get_logger

log = get_logger(__name__)

PROBE = ChatRequest(messages=(ChatMessage(role="user", content="Hello"),), max_tokens=1)
HEALTHY_FOR_SECONDS = 10.0
STUCK_AFTER_SECONDS = 120.0
CLOSE_SECONDS = 10.0
PARKED_SECONDS = 0.05
IDLE_SECONDS = 5.0
GOOD_STEPS_UNTIL_LARGER = 256
"""After memory ran out, the batch may double again when so many steps went well."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the batch, of what may wait for it and how long, and of the prompt tokens read in one step, padding counted."""

    sequences: int = 32
    waiting: int = 32
    waiting_seconds: float = 30.0
    tokens_read: int = 512


class GenerationEngine:
    """The embedded generation engine. `stream` runs on any event loop."""

    def __init__(self, model: LanguageModel, limits: Limits | None = None, supply: AdapterSupply | None = None) -> None:
        self.model = model
        self._limits = limits or Limits()
        self._places = self._limits.sequences
        self._good_steps = 0
        self._waiting = Waiting(self._places + self._limits.waiting, self._limits.waiting_seconds)
        self._supply = supply
        self._adapters = None if supply is None else Adapters(model, supply.source, supply.limits, self._waiting.wake)
        self._batch = Batch(model)
        self._reading: Reading | None = None
        self._prompter = Prompter(model.tokenizer)
        self._grammars = Grammars(model.tokenizer, model.vocabulary)
        self._tokeniser = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise-prompts")
        self._last_success = 0.0
        self._step_began: float | None = None
        self._thread = threading.Thread(target=self._run, name="generate", daemon=True)
        self._thread.start()

    async def stream(
        self, request: ChatRequest, adapter: AuthorisedAdapter | None = None
    ) -> AsyncGenerator[ChatDelta, None]:
        """Yield the answer; closing the iterator gives the place up at the next step.

        An adapter that cannot be had is no error: the base model answers, `degraded`.

        Raises:
            AdapterUnknown: no gate of this process has authorised the adapter for the person who asks, or it is only a name.
            RequestRefused: the prompt is too long, its roles are not what the model's template takes, or the schema is bad.
            GatewayOverloaded: too many wait, no place came free in time, or memory does not suffice.
            UpstreamBroken: the model failed.
        """
        self._check_adapter(request, adapter)
        calling = calling_of(request, self.model.name, knows_tools=self._prompter.knows_tools)
        reader = None if calling is None else CallReader(must=calling.must)
        sequence = await self._sequence(request, adapter, calling)
        self._waiting.put(sequence)
        try:
            while True:
                delta = await sequence.outlet.receive()
                told = delta if reader is None else reader.read(delta)
                if told is not None:
                    yield told
                if delta.finish_reason is not None:
                    return
        finally:
            sequence.leave()
            self._waiting.release(sequence)

    async def tokenize(self, request: ChatRequest) -> Tokenized:
        """Return the prompt's tokens; raises `RequestRefused` where the model's template does not take the messages."""
        return await asyncio.get_running_loop().run_in_executor(self._tokeniser, self._prompter.tokenized, request)

    async def check(self) -> None:
        """Return at once when a step succeeded lately or one is under way, else generate a token.

        Raises:
            GenerationUnavailable: the engine's thread has ended, or hangs.
        """
        began = self._step_began
        if not self._thread.is_alive() or (began is not None and time.monotonic() - began > STUCK_AFTER_SECONDS):
            raise GenerationUnavailable("The generation engine does not work any more.")
        if began is None and time.monotonic() - self._last_success > HEALTHY_FOR_SECONDS:
            async for _ in self.stream(PROBE):
                pass

    def close(self) -> None:
        """Fail what runs and waits, and end the thread; a step under way is finished first."""
        self._waiting.close()
        self._thread.join(timeout=CLOSE_SECONDS)
        self._tokeniser.shutdown(wait=False, cancel_futures=True)

    def _check_adapter(self, request: ChatRequest, adapter: AuthorisedAdapter | None) -> None:
        """Ask again for what the gate has asked: that it is the adapter of the one who asks."""
        try:
            if adapter is not None and self._supply is not None:
                self._supply.authority.check(adapter)
            asked_by = (adapter.id, adapter.user_id) if adapter else ("", request.user_id)
            is_proven = adapter is None or self._supply is not None
            if not is_proven or (request.adapter, request.user_id) != asked_by:
                raise AdapterUnknown  # noqa: TRY301 - counted with what the authority refuses
        except AdapterUnknown:
            metrics.ADAPTER_REFUSED.inc()
            log.warning("adapter_refused_by_engine", adapter_id=adapter.id if adapter else "")
            raise

    async def _sequence(
        self, request: ChatRequest, adapter: AuthorisedAdapter | None, calling: Calling | None
    ) -> Sequence:
        loop = asyncio.get_running_loop()
        prompt, grammar = await loop.run_in_executor(self._tokeniser, self._prepare, request, calling)
        room = self.model.context_tokens - len(prompt)
        if room < 1:
            raise RequestRefused(
                f"The prompt has {len(prompt)} tokens; {self.model.name} takes {self.model.context_tokens}, answer included.",
                pointer="/messages",
            )
        wish = Wish(
            max_tokens=min(request.max_tokens, room),
            temperature=request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            stops=request.stop,
            seed=request.seed,
            adapter=adapter,
        )
        return Sequence(prompt, wish, self.model.decode, self.model.stop_tokens, self.model.name, grammar)

    def _prepare(self, request: ChatRequest, calling: Calling | None) -> tuple[list[int], Grammar | None]:
        grammar = None if request.json_schema is None else self._grammars.of(request.json_schema)
        if request.prompt is not None:
            return self._prompter.raw_tokens(request.prompt), grammar
        if calling is None:
            return self._prompter.tokens(request.messages), grammar
        grammar = self._grammars.of_calls(call_schema(calling.tools), must=calling.must)
        return self._prompter.tokens(request.messages, calling.tools), grammar

    def _run(self) -> None:
        self.model.enter_thread()
        while not self._waiting.closed:
            failure: Exception | None = None
            self._step_began = time.monotonic()
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - whatever fails, the engine lives on
                # The traceback's frames hold tensors, which must be gone before memory is given back.
                failure = error.with_traceback(None)
            if failure is not None:
                self._recover(failure)
            self._step_began = None
            if not self._batch.sequences and self._reading is None:
                self._waiting.wait(self._idle_seconds())
        for sequence in [*self._forget(), *self._waiting.clear()]:
            sequence.fail(GenerationUnavailable("The generation engine is shutting down.", retry_after_seconds=1))

    def _step(self) -> None:
        self._batch.drop({sequence for sequence in self._batch.sequences if sequence.left})
        if self._reading is not None and all(sequence.left for sequence in self._reading.sequences):
            self._reading = None
        self._waiting.expire()
        if self._adapters is not None:
            self._adapters.work(self._waiting.all(), self._adapters_in_use())
        budget = self._limits.tokens_read
        while budget > 0 and (reading := self._reading or self._next(budget)) is not None:
            self._reading = reading
            budget -= self._read(reading, budget)
        if self._batch.sequences:
            self._grow()
        self._last_success = time.monotonic()

    def _next(self, budget: int) -> Reading | None:
        """Return those to be read next: the first that waits and those behind it that fit into the same pass."""
        taken: list[Sequence] = []
        while sequence := self._waiting.take(lambda one: self._fits([*taken, one], budget), self._can_run):
            taken.append(sequence)
            if sequence.started_at is None:
                sequence.started_at = time.monotonic()
                metrics.QUEUE_SECONDS.observe(sequence.started_at - sequence.created_at)
        return Reading(self.model, taken) if taken else None

    def _fits(self, together: list[Sequence], budget: int) -> bool:
        """Tell whether sequences can be read in one pass; one alone may take several steps."""
        if len(self._batch.sequences) + len(together) > self._places:
            return False
        alone = len(together) == 1 and budget == self._limits.tokens_read
        if not alone and (padded_tokens(together) > budget or not is_worth_padding(together)):
            return False
        return self._batch.fits(together, self.model.cache_tokens)

    def _can_run(self, sequence: Sequence) -> bool:
        return self._adapters is None or self._adapters.can_serve(sequence)

    def _adapters_in_use(self) -> set[str]:
        return {sequence.adapter.id for sequence in self._inside() if sequence.adapter is not None}

    def _idle_seconds(self) -> float | None:
        """How long to sleep with an empty batch: not at all when one can run, not long while its adapter is on its way."""
        if waiting := self._waiting.all():
            return 0.0 if any(map(self._can_run, waiting)) else PARKED_SECONDS
        return IDLE_SECONDS if self._adapters is not None and self._adapters.places else None

    def _read(self, reading: Reading, budget: int) -> int:
        read, logits = reading.advance(budget)
        if logits is not None:
            metrics.READ_TOKENS.inc(sum(reading.lengths))
            self._batch.join(reading)
            self._reading = None
            new = [sequence for sequence in reading.sequences if sequence.generated == 0]
            self._batch.drop(self._accept(reading.sequences, logits))
            for sequence in new:
                metrics.FIRST_TOKEN_SECONDS.observe(time.monotonic() - sequence.created_at)
        return read

    def _grow(self) -> None:
        metrics.BATCH_SEQUENCES.observe(len(self._batch.sequences))
        self._batch.drop(self._accept(self._batch.sequences, self._batch.step()))
        self._good_steps += 1
        if self._good_steps >= GOOD_STEPS_UNTIL_LARGER and self._places < self._limits.sequences:
            self._places = min(2 * self._places, self._limits.sequences)
            self._good_steps = 0

    def _accept(self, sequences: list[Sequence], logits: Tensor) -> set[Sequence]:
        """Give each sequence its token; return those that have ended."""
        ended: set[Sequence] = set()
        told: list[tuple[Outlet, ChatDelta]] = []
        for sequence, token in zip(sequences, choose(logits, sequences), strict=True):
            if token is None:
                log.error("generation_without_token", tokens=len(sequence.tokens), schema=sequence.grammar is not None)
                sequence.fail(UpstreamBroken("The model gave no token that can be used."))
                ended.add(sequence)
            elif (delta := sequence.accept(token)) is not None:
                told.append((sequence.outlet, delta))
                if delta.finish_reason is not None:
                    self._waiting.observe((time.monotonic() - sequence.created_at) / self._places)
                    ended.add(sequence)
        send_all(told)
        metrics.GENERATED_TOKENS.inc(len(sequences))
        return ended

    def _recover(self, error: Exception) -> None:
        """Begin with an empty cache. After exhaustion all are read again, tokens generated so far included, half at a time."""
        sequences = self._forget()
        release(self.model.device)
        if not is_exhausted(error):
            log.error("generation_step_failed", sequences=len(sequences), error_kind=type(error).__name__)
            for sequence in sequences:
                sequence.fail(UpstreamBroken("The embedded model failed on this request."))
            return
        metrics.MEMORY_EXHAUSTED.inc()
        log.warning("generation_memory_exhausted", sequences=len(sequences))
        self._good_steps = 0
        if len(sequences) > 1:
            self._places = len(sequences) // 2
            self._waiting.put_back(sequences)
            return
        for sequence in sequences:
            sequence.fail(GatewayOverloaded("Memory does not suffice for this request now.", retry_after_seconds=10))

    def _forget(self) -> list[Sequence]:
        sequences = self._inside()
        self._batch, self._reading = Batch(self.model), None
        return sequences

    def _inside(self) -> list[Sequence]:
        return [*self._batch.sequences, *(self._reading.sequences if self._reading else [])]
