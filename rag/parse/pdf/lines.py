"""Lines of print in reading order. Latin pages keep PDFium's order, which is the author's; Arabic ones are read off
the page, since formulas and Latin words break the stored order of their lines.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from rag.parse.pdf.columns import Gutter, bands, find_gutter, rows_of
from rag.parse.pdf.words import Word, join_touching, pair_brackets

_ARABIC_PAGE_SHARE = 0.2
_ROW_WISE_JUMPS = 1.0
_SAME_LINE_OVERLAP = 0.3
_MAX_STEP_BACK = 0.5
_FOREIGN_SHARE = 0.5
_WIDE_GAP = 2.0
_ARABIC_SIGNS = "،؛؟"


class Line(NamedTuple):
    """One line of print: its words in reading order, box and height of font in points; `column` numbers the stretch."""

    words: list[Word]
    left: float
    top: float
    right: float
    bottom: float
    height: float
    rtl: bool
    column: int

    @property
    def text(self) -> str:
        """The words, one space between them."""
        return " ".join(word.text for word in self.words)

    @property
    def loose(self) -> bool:
        """Whether it is set with wide gaps (a header, a table row), so that its width says nothing of the column's."""
        ends = sorted((word.left, word.right) for word in self.words)
        return any(b[0] - a[1] > _WIDE_GAP * self.height for a, b in pairwise(ends))

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(word.bold for word in self.words)

    @property
    def unreliable(self) -> bool:
        """Whether it mixes Arabic with so much else (a formula, mostly) that its order is a guess."""
        foreign = sum(not word.rtl for word in self.words)
        return self.rtl and foreign > _FOREIGN_SHARE * len(self.words)


def read_lines(words: Sequence[Word]) -> list[Line]:
    """Return the lines of a page in reading order."""
    if sum(word.rtl for word in words) >= max(1.0, _ARABIC_PAGE_SHARE * len(words)):
        return list(_read_off(words, rtl=True))
    gutter = find_gutter(words)
    if gutter and gutter.jumps_per_row >= _ROW_WISE_JUMPS:
        return list(_read_off(words, rtl=False))
    return [_line(group, _column_of(group, gutter)) for group in _stored_lines(words)]


def _column_of(words: list[Word], gutter: Gutter | None) -> int:
    if gutter is None:
        return 0
    if all(word.right <= gutter.x for word in words):
        return 1
    return 2 if all(word.left >= gutter.x for word in words) else 0


def _read_off(words: Sequence[Word], *, rtl: bool, column: int = 0) -> Iterator[Line]:
    gutter = find_gutter(words)
    stretches = list(bands(words, gutter, rtl=rtl)) if gutter else [list(words)]
    for stretch in stretches:
        column += 1
        for row in rows_of(stretch):
            yield _line(_order(row), column)


def _order(row: Sequence[Word]) -> list[Word]:
    """Order the words of one row: right to left, runs without Arabic letters within it left to right."""
    if not any(word.rtl for word in row):
        return sorted(row, key=lambda w: w.left)
    leftwards = sorted(row, key=lambda w: -w.right)
    ordered: list[Word] = []
    for rtl, group in groupby(leftwards, key=lambda w: w.rtl):
        run = list(group)
        ordered += run if rtl else _turn_foreign(run)
    return pair_brackets(join_touching(ordered))


def _turn_foreign(run: list[Word]) -> list[Word]:
    """Turn a run of foreign words to left to right; signs at its ends (a bracket, a bullet) stay where they stood.

    Numbers without letters stand right to left amid Arabic (UAX 9, rule W2), and so does `16 – 23`.
    """
    strong = [i for i, word in enumerate(run) if any(char.isalnum() for char in word.text)]
    if not strong:
        return run
    first, last = strong[0], strong[-1] + 1
    core = run[first:last]
    if not any(char.isalpha() for word in core for char in word.text):
        return [*run[:first], *(_comma_last(word, word)[0] for word in core), *run[last:]]
    core.reverse()
    core[0], core[-1] = _comma_last(core[0], core[-1])
    return run[:first] + core + run[last:]


def _comma_last(first: Word, last: Word) -> tuple[Word, Word]:
    """Move an Arabic comma or question mark from the left end of a foreign run to where it is read: behind it."""
    signs = first.text[: len(first.text) - len(first.text.lstrip(_ARABIC_SIGNS))]
    if not signs or signs == first.text:
        return first, last
    bare = first._replace(text=first.text[len(signs) :])
    if first is last:
        moved = bare._replace(text=bare.text + signs)
        return moved, moved
    return bare, last._replace(text=last.text + signs)


def _stored_lines(words: Sequence[Word]) -> Iterator[list[Word]]:
    line: list[Word] = []
    for word in words:
        if line and not _goes_on(line, word):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _goes_on(line: list[Word], word: Word) -> bool:
    """Tell whether `word` stands further on in the line, raised or lowered (an exponent, an index) as may be."""
    tall = max(line[-4:], key=lambda w: w.height)
    overlap = min(tall.bottom, word.bottom) - max(tall.top, word.top)
    if overlap < _SAME_LINE_OVERLAP * min(tall.height, word.height):
        return False
    if word.rtl and line[-1].rtl:
        return word.right <= line[-1].left + _MAX_STEP_BACK * word.height
    return word.left >= line[-1].right - _MAX_STEP_BACK * tall.height


def _line(words: list[Word], column: int) -> Line:
    heights = sorted(word.height for word in words)
    return Line(
        words,
        min(w.left for w in words),
        min(w.top for w in words),
        max(w.right for w in words),
        max(w.bottom for w in words),
        heights[len(heights) // 2],
        any(w.rtl for w in words),
        column,
    )
