"""Which replica first: the one that likely holds the adapter already, else the one with least to do."""

import hashlib
import random
from collections.abc import Sequence

from inference_gateway.routing.member import Member


def in_order(replicas: Sequence[Member], adapter_sha256: str) -> list[Member]:
    """Return the replicas, best first; those at rest come last, in the same order.

    With an adapter by highest random weight (Thaler and Ravishankar, 1998): when a replica comes or goes, only the adapters
    that it had or will have move. Without, by answers under way, equals at random.
    """
    if len(replicas) == 1:
        return list(replicas)
    if adapter_sha256:
        ranked = sorted(replicas, key=lambda one: _weight(one.name, adapter_sha256), reverse=True)
    else:
        ranked = sorted(replicas, key=lambda one: (one.in_flight, random.random()))  # noqa: S311 - no secret
    return sorted(ranked, key=lambda one: one.rests)


def _weight(name: str, adapter_sha256: str) -> bytes:
    return hashlib.sha256(f"{name}\n{adapter_sha256}".encode()).digest()
