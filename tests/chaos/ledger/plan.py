"""What is asked for in a run: drawn from its seed, the same in every process."""

import random
from typing import Any

import msgspec

from db.jobs import JobKind
from tests.chaos.ledger import kinds
from tests.chaos.ledger.kinds import Work

JOBS_PER_POISON = 300
HOG_LEASES = (0.5, 2.0)
SHARES: tuple[tuple[JobKind[Work], int], ...] = (
    (kinds.SHORT, 44),
    (kinds.LONG, 8),
    (kinds.HOG, 2),
    (kinds.FAN, 5),
    (kinds.CHAIN, 5),
    (kinds.FLAKY, 9),
    (kinds.DELAYED, 7),
    (kinds.CALLED_OFF, 6),
    (kinds.KEYED, 7),
    (kinds.SPAWNING, 5),
    (kinds.DOOMED, 3),
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs asked for in one transaction, each after the one before it; `jobs` counts those that they ask for as well."""

    kind: JobKind[Any]
    works: list[Work]
    delay_seconds: float = 0.0
    cancel_after_seconds: float | None = None
    jobs: int = 1


def draw(seed: int, jobs: int, lease_seconds: float) -> list[Request]:
    """Return requests for `jobs` jobs or a few more."""
    chosen, requests, count = random.Random(seed), [], 0
    shares = [share for _, share in SHARES]
    poisoned = max(1, jobs // JOBS_PER_POISON)
    while count < jobs - poisoned:
        (kind,) = chosen.choices([kind for kind, _ in SHARES], shares)
        request = _request(kind, f"{kind.name.rpartition('.')[2]}-{len(requests)}", chosen, lease_seconds)
        count += request.jobs
        requests.append(request)
    for number in range(poisoned):
        poison = Request(kind=kinds.POISON, works=[Work(name=f"poison-{number}")])
        requests.insert(chosen.randrange(len(requests)), poison)
    return requests


def _request(kind: JobKind[Work], name: str, chosen: random.Random, lease_seconds: float) -> Request:
    if kind is kinds.FAN:
        width = chosen.randint(2, 6)
        doomed_child = chosen.randrange(width) if chosen.random() < 0.3 else None
        return Request(kind=kind, works=[Work(name=name, width=width, doomed_child=doomed_child)], jobs=1 + width)
    if kind is kinds.CHAIN:
        works = [Work(name=f"{name}.{place}", seconds=chosen.uniform(0, 0.2)) for place in range(3)]
        return Request(kind=kind, works=works, jobs=3)
    if kind is kinds.DELAYED:
        return Request(kind=kind, works=[Work(name=name)], delay_seconds=chosen.uniform(0.5, 8))
    if kind is kinds.CALLED_OFF:
        work = Work(name=name, seconds=chosen.uniform(0.5, 3))
        return Request(kind=kind, works=[work], cancel_after_seconds=chosen.uniform(0, 2.5))
    seconds = {
        kinds.SHORT.name: (0.0, 0.05),
        kinds.LONG.name: (0.5, 2 * lease_seconds),
        kinds.HOG.name: (HOG_LEASES[0] * lease_seconds, HOG_LEASES[1] * lease_seconds),
        kinds.KEYED.name: (0.0, 0.3),
    }.get(kind.name, (0.0, 0.0))
    return Request(
        kind=kind,
        works=[
            Work(
                name=name,
                seconds=chosen.uniform(*seconds),
                failures=chosen.randint(1, 3) if kind is kinds.FLAKY else 0,
                key=f"key-{chosen.randrange(4)}" if kind is kinds.KEYED else None,
            )
        ],
        jobs=2 if kind is kinds.SPAWNING else 1,
    )
