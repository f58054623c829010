"""Columns: rows of words, the gutter between two columns of prose, and the order in which the bands are read."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from statistics import median
from typing import NamedTuple

from rag.parse.pdf.words import Word

_ROW_OVERLAP = 0.5
_ROW_SAMPLE = 9
_GUTTER_HEIGHTS = 0.5
_MIDDLE = (0.25, 0.75)
_MIN_ROWS = 6
_MAX_CROSSING = 0.25
_FULL = 0.6
_MIN_FULL_ROWS = 5
_MIN_FULL_SHARE = 0.2

Row = list[Word]


class Gutter(NamedTuple):
    """A vertical line that parts two columns, and how often PDFium's order jumps over it, per row."""

    x: float
    jumps_per_row: float


def rows_of(words: Sequence[Word]) -> list[Row]:
    """Group words that stand beside each other; rows from top to bottom, words in the order given."""
    rows: list[list[tuple[int, Word]]] = []
    top = bottom = 0.0
    for position, word in sorted(enumerate(words), key=lambda pair: pair[1].top + pair[1].bottom):
        overlap = min(bottom, word.bottom) - max(top, word.top)
        if rows and overlap > _ROW_OVERLAP * min(bottom - top, word.height):
            rows[-1].append((position, word))
        else:
            rows.append([(position, word)])
        if len(rows[-1]) <= _ROW_SAMPLE:
            top, bottom = median(w.top for _, w in rows[-1]), median(w.bottom for _, w in rows[-1])
    return [[word for _, word in sorted(row)] for row in rows]


def find_gutter(words: Sequence[Word]) -> Gutter | None:
    """Return the gutter of two columns of prose, None for one column or a table (its cells do not fill their width)."""
    rows = rows_of(words)
    if len(rows) < _MIN_ROWS:
        return None
    left, right = min(w.left for w in words), max(w.right for w in words)
    x, crossings = _emptiest(rows, left, right)
    if crossings > _MAX_CROSSING * len(rows):
        return None
    sides = [w for w in words if w.right <= x], [w for w in words if w.left >= x]
    if not (_is_column(sides[0], left, x) and _is_column(sides[1], x, right)):
        return None
    return Gutter(x, _jumps(words, x) / len(rows))


def bands(words: Sequence[Word], gutter: Gutter, *, rtl: bool) -> Iterator[list[Word]]:
    """Yield stretches of words in the order they are read: column by column between lines that cross the gutter."""
    sides: tuple[list[Word], list[Word]] = ([], [])
    for row in rows_of(words):
        if any(start < gutter.x < end for start, end in _stretches(row)):
            yield from _read_sides(sides, rtl=rtl)
            sides = ([], [])
            yield row
        else:
            for word in row:
                sides[(word.left + word.right) / 2 > gutter.x].append(word)
    yield from _read_sides(sides, rtl=rtl)


def _read_sides(sides: tuple[list[Word], list[Word]], *, rtl: bool) -> Iterator[list[Word]]:
    yield from (side for side in (reversed(sides) if rtl else sides) if side)


def _stretches(row: Row) -> list[tuple[float, float]]:
    """Return the parts of a row that print covers, gaps narrower than a gutter closed."""
    closed = _GUTTER_HEIGHTS * median(word.height for word in row)
    stretches: list[tuple[float, float]] = []
    for word in sorted(row, key=lambda w: w.left):
        if stretches and word.left - stretches[-1][1] < closed:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], word.right))
        else:
            stretches.append((word.left, word.right))
    return stretches


def _emptiest(rows: list[Row], left: float, right: float) -> tuple[float, int]:
    """Return the middle of the widest strip that the fewest rows cross, to a point, and how many do."""
    width = int(right - left) + 2
    changes = [0] * (width + 1)
    for row in rows:
        for start, end in _stretches(row):
            changes[int(start - left)] += 1
            changes[min(int(end - left) + 1, width)] -= 1
    crossings = list(accumulate(changes))
    first, last = int(width * _MIDDLE[0]), int(width * _MIDDLE[1])
    fewest = min(crossings[first : last + 1])
    strips = [list(run) for free, run in groupby(range(first, last + 1), lambda i: crossings[i] == fewest) if free]
    widest = max(strips, key=len)
    return left + (widest[0] + widest[-1] + 1) / 2, fewest


def _is_column(words: Sequence[Word], left: float, right: float) -> bool:
    """Tell whether these words are lines of prose between `left` and `right`: enough of them fill most of the width."""
    rows = rows_of(words)
    full = sum(max(w.right for w in row) - min(w.left for w in row) >= _FULL * (right - left) for row in rows)
    return full >= max(_MIN_FULL_ROWS, _MIN_FULL_SHARE * len(rows))


def _jumps(words: Sequence[Word], x: float) -> int:
    sides = [word.left >= x for word in words]
    return sum(a != b for a, b in pairwise(sides))
