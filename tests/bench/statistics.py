"""Percentiles, as all figures use them."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the nearest-rank percentile, `rank` from 0 to 100."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the 50th percentile, between the two middle values of an even number."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest."""
    return min(values), max(values)
