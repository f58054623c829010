"""Golden signals of each upstream, its breaker, and what was tried. Labels are names from the routing file, never a caller's."""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

from inference_gateway.routing.breaker import State
from ops.runtime.logging import get_logger
from ops.runtime.telemetry import LATENCY_BUCKETS_SECONDS, REGISTRY

log = get_logger(__name__)

STATES: tuple[State, ...] = ("closed", "half_open", "open")

BREAKER_STATE = Gauge("lyceum_gateway_breaker_state", "0 closed, 1 half-open, 2 open", ["upstream"], registry=REGISTRY)
ATTEMPTS = Counter(
    "lyceum_gateway_attempts_total",
    "requests sent to an upstream, by how they ended: ok, left, or an error's code",
    ["upstream", "outcome"],
    registry=REGISTRY,
)
RETRIES = Counter(
    "lyceum_gateway_retries_total", "attempts made again at the same upstream", ["upstream"], registry=REGISTRY
)
FALLBACKS = Counter(
    "lyceum_gateway_fallbacks_total",
    "answers by an upstream further down the chain",
    ["alias", "upstream"],
    registry=REGISTRY,
)
IN_FLIGHT = Gauge(
    "lyceum_gateway_upstream_in_flight", "answers that an upstream gives now", ["upstream"], registry=REGISTRY
)
FIRST_PIECE_SECONDS = Histogram(
    "lyceum_gateway_upstream_first_piece_seconds",
    "from the request to the first piece of the answer",
    ["upstream"],
    buckets=LATENCY_BUCKETS_SECONDS,
    registry=REGISTRY,
)
ANSWER_SECONDS = Histogram(
    "lyceum_gateway_upstream_seconds",
    "from the request to the end of the answer",
    ["upstream"],
    buckets=LATENCY_BUCKETS_SECONDS,
    registry=REGISTRY,
)


def breaker_states(upstream: str) -> Callable[[State], None]:
    """Return what is to be told of each change of an upstream's breaker, which is closed now."""
    gauge = BREAKER_STATE.labels(upstream)
    gauge.set(STATES.index("closed"))

    def changed(state: State) -> None:
        gauge.set(STATES.index(state))
        log.warning("breaker_changed", upstream=upstream, state=state)

    return changed
