"""Numbers as engines give them and wires carry them: rows of float32, little-endian."""

import sys
from array import array
from collections.abc import Iterable


def floats_of(row: bytes) -> list[float]:
    """Return the numbers of a row."""
    return _swapped(array("f", row)).tolist()


def row_of(numbers: Iterable[float]) -> bytes:
    """Return the row of the numbers."""
    return _swapped(array("f", numbers)).tobytes()


def _swapped(values: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        values.byteswap()
    return values
