"""One request on its way through the engine: its tokens, how the next is chosen, its text, and who waits for it."""

import asyncio
import random
import threading
import time
from collections.abc import Sequence as Many

import msgspec

from inference_gateway.contract import ChatDelta, FinishReason, Usage
from inference_gateway.engines.generation.grammar import Grammar
from inference_gateway.engines.generation.text import Decode, TextStream
from inference_gateway.ports import AuthorisedAdapter


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of the model. `adapter` is None for the base model."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stops: tuple[str, ...] = ()
    seed: int | None = None
    adapter: AuthorisedAdapter | None = None


class Outlet:
    """The way from the engine's thread to the coroutine that waits. Made on the event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._deltas: asyncio.Queue[ChatDelta | Exception] = asyncio.Queue()

    def send(self, delta: ChatDelta | Exception) -> None:
        """Hand over from any thread; nobody reads any more when the loop has ended."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.put, delta)

    async def receive(self) -> ChatDelta:
        """Return the next piece; raises the error that was sent in its place."""
        delta = await self._deltas.get()
        if isinstance(delta, Exception):
            raise delta
        return delta

    def put(self, delta: ChatDelta | Exception) -> None:
        """Hand over on the event loop."""
        self._deltas.put_nowait(delta)


def send_all(told: Many[tuple[Outlet, ChatDelta]]) -> None:
    """Hand over pieces of many sequences from any thread.

    Each loop is woken once: it takes the interpreter's lock when it wakes, and the thread that woke it waits for that.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Outlet, ChatDelta]]] = {}
    for outlet, delta in told:
        by_loop.setdefault(outlet.loop, []).append((outlet, delta))
    for loop, pieces in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_put_all, pieces)


def _put_all(told: Many[tuple[Outlet, ChatDelta]]) -> None:
    for outlet, delta in told:
        outlet.put(delta)


class Sequence:
    """A prompt and what follows it. `leave` may be called from any thread, all else belongs to the engine's.

    The draws for sampling come from a generator of its own, one for each token: for a fixed seed they are the same
    whatever else the engine does, and after a retry too.
    """

    def __init__(
        self,
        prompt: Many[int],
        wish: Wish,
        decode: Decode,
        stop_tokens: frozenset[int],
        model: str,
        grammar: Grammar | None = None,
    ) -> None:
        self.tokens = list(prompt)
        self.wish = wish
        self.adapter = wish.adapter
        self.grammar = grammar
        self.outlet = Outlet()
        self.created_at = time.monotonic()
        self.started_at: float | None = None
        self._prompt_tokens = len(prompt)
        self._stop_tokens = stop_tokens
        self._model = model
        self._text = TextStream(decode, wish.stops)
        self._random = random.Random(wish.seed)  # noqa: S311 - sampling, not secrets
        self._draw: float | None = None
        self._left = threading.Event()

    @property
    def left(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._left.is_set()

    @property
    def generated(self) -> int:
        """Number of tokens generated so far."""
        return len(self.tokens) - self._prompt_tokens

    @property
    def final_length(self) -> int:
        """Tokens when all that were asked for have come."""
        return self._prompt_tokens + self.wish.max_tokens

    @property
    def draw(self) -> float:
        """The number in [0, 1) that chooses the next token."""
        if self._draw is None:
            self._draw = self._random.random()
        return self._draw

    @property
    def degraded(self) -> bool:
        """Tell whether the base model answers in place of the adapter."""
        return self.adapter is not self.wish.adapter

    def degrade(self) -> None:
        """Go on with the base model."""
        self.adapter = None

    def leave(self) -> None:
        """Tell the engine to give the place up at its next step."""
        self._left.set()

    def accept(self, token: int) -> ChatDelta | None:
        """Take the next token; return what is to be told, which has a finish reason when the sequence has ended."""
        self._draw = None
        self.tokens.append(token)
        text = ""
        if token not in self._stop_tokens:
            text = self._text.push(token)
            if self.grammar is not None:
                self.grammar.accept(token)
        reason = self._reason(token)
        if reason is not None:
            text += self._text.flush()
            reason = "stop" if self._text.stopped else reason
            usage = Usage(prompt_tokens=self._prompt_tokens, completion_tokens=self.generated)
            return ChatDelta(text=text, finish_reason=reason, usage=usage, model=self._model, degraded=self.degraded)
        return ChatDelta(text=text, model=self._model, degraded=self.degraded) if text else None

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self.outlet.send(error)

    def _reason(self, token: int) -> FinishReason | None:
        if self._text.stopped or token in self._stop_tokens:
            return "stop"
        return "length" if self.generated >= self.wish.max_tokens else None
