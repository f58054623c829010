"""One upstream as the router sees it: whom it may serve, how it is, and how much it does."""

import hashlib
import time
from collections.abc import Callable
from functools import lru_cache

import msgspec

from inference_gateway.errors import (
    GatewayError,
    GatewayOverloaded,
    GenerationUnavailable,
    RequestRefused,
    UpstreamBroken,
)
from inference_gateway.ports import AuthorisedAdapter
from inference_gateway.routing import metrics
from inference_gateway.routing.breaker import Breaker, Pass, Rules
from inference_gateway.upstreams.deadlines import Deadlines
from inference_gateway.upstreams.protocol import Loading, Upstream


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says of an upstream. `adapters`: those it serves, None for any; `context_tokens` 0: not known."""

    external: bool = False
    adapters: frozenset[str] | None = frozenset()
    context_tokens: int = 0
    max_in_flight: int = 0
    weights_sha256: str = ""


class Member:
    """An upstream with its breaker, its deadlines and its count of answers under way."""

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        traits: Traits | None = None,
        deadlines: Deadlines | None = None,
        rules: Rules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.traits = traits or Traits()
        self.deadlines = deadlines or Deadlines()
        self.breaker = Breaker(rules, clock=clock, on_change=metrics.breaker_states(name))
        self.draining = False
        self.in_flight = 0
        self._clock = clock
        self._rests_until = 0.0
        self._in_flight_gauge = metrics.IN_FLIGHT.labels(name)
        self._first_piece = metrics.FIRST_PIECE_SECONDS.labels(name)
        self._answer = metrics.ANSWER_SECONDS.labels(name)

    @property
    def model_hash(self) -> str:
        """The sha256 of the weights where it is known, else of the model's name: what its answers depend on."""
        return self.traits.weights_sha256 or _hash_of(self.upstream.model)

    @property
    def full(self) -> bool:
        """Whether it gives as many answers as it may."""
        return 0 < self.traits.max_in_flight <= self.in_flight

    @property
    def rests(self) -> bool:
        """Whether it asked to be left alone for a while (429 with `Retry-After`)."""
        return self._clock() < self._rests_until

    def serves(self, adapter: AuthorisedAdapter) -> bool:
        """Tell whether it can answer with this adapter, and may."""
        known = self.traits.adapters is None or adapter.id in self.traits.adapters
        return known and not adapter.is_quarantined

    def began(self) -> None:
        """Count an answer under way."""
        self.in_flight += 1
        self._in_flight_gauge.set(self.in_flight)

    def first_piece(self, leave: Pass, seconds: float) -> None:
        """Note the first piece of an answer."""
        leave.answered()
        self._first_piece.observe(seconds)

    def ended(self, leave: Pass, error: BaseException | None, seconds: float) -> None:
        """Count the end of an answer and judge the upstream by it; anything but an error of ours means the client left."""
        self.in_flight -= 1
        self._in_flight_gauge.set(self.in_flight)
        self._answer.observe(seconds)
        metrics.ATTEMPTS.labels(self.name, _outcome(error)).inc()
        if error is None:
            leave.succeeded()
        elif isinstance(error, GatewayOverloaded):
            leave.answered()
            self._rests_until = self._clock() + (error.retry_after_seconds or 0)
        elif self._is_its_fault(error):
            leave.failed()
        else:
            leave.left()

    def _is_its_fault(self, error: BaseException) -> bool:
        """An engine in this process that is loading, or failed to, needs no rest: asking it costs nothing."""
        if isinstance(error, GenerationUnavailable):
            return not isinstance(self.upstream, Loading)
        return isinstance(error, UpstreamBroken)


@lru_cache(maxsize=256)
def _hash_of(model: str) -> str:
    return hashlib.sha256(model.encode()).hexdigest()


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, RequestRefused):
        return RequestRefused.code
    return error.code if isinstance(error, GatewayError) else "left"
