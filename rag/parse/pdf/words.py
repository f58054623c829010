"""Words of a page from its characters, with the repairs Arabic needs."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from rag.parse.builder import clean
from rag.parse.pdf.glyphs import Glyph

_ARABIC = re.compile("[\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c9\ufb50-\ufdff\ufe70-\ufefc]")
_ALEF = frozenset("اأإآٱ")
_LAM = "ل"
_WHOLE_WORD = 4
_BRACKETS = {char: pair for pair in ("()", "[]", "{}") for char in pair}
_MIN_OVERLAP = 0.3
_MAX_GAP = 0.6
_TOUCHING = 0.06
_MIN_HEIGHT_POINTS = 3.0


class Word(NamedTuple):
    """A word and its box in points; `rtl` when it holds Arabic letters."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    rtl: bool
    bold: bool
    doubtful: bool

    @property
    def height(self) -> float:
        """Height of the font, in points."""
        return self.bottom - self.top


def has_arabic(text: str) -> bool:
    """Tell whether `text` has a letter of the Arabic script."""
    return _ARABIC.search(text) is not None


class LigatureVotes(NamedTuple):
    """Evidence on the order of letters that one glyph stands for: producers write them right, or all backwards."""

    backwards: int = 0
    forwards: int = 0

    def __add__(self, other: object) -> "LigatureVotes":
        if not isinstance(other, LigatureVotes):
            return NotImplemented
        return LigatureVotes(self.backwards + other.backwards, self.forwards + other.forwards)

    def says_backwards(self, run: Sequence[Glyph]) -> bool:
        """Tell whether a run is to be turned round. Whole words under one glyph are, unless something speaks against."""
        whole_word = len(run) >= _WHOLE_WORD
        return self.backwards > self.forwards or (whole_word and not self.forwards)


def ligature_votes(glyphs: Sequence[Glyph]) -> LigatureVotes:
    """Count lam-alef ligatures by the order of their two letters, which share one box."""
    pairs = [(a.text, b.text) for a, b in pairwise(glyphs) if _same_box(a, b)]
    backwards = sum(a in _ALEF and b == _LAM for a, b in pairs)
    return LigatureVotes(backwards, sum(a == _LAM and b in _ALEF for a, b in pairs))


def to_words(glyphs: Iterable[Glyph], votes: LigatureVotes) -> list[Word]:
    """Group the upright characters of a page into words, in PDFium's order; `votes` are the whole document's."""
    words = []
    for group in _groups(glyphs):
        parts = _reading_order(_unligature(group, votes))
        text = clean("".join(glyph.text for glyph in parts))
        if text.strip() and not all(unicodedata.combining(char) for char in text):
            words.append(_word(text, group))
    return words


def join_touching(words: Sequence[Word]) -> list[Word]:
    """Join pieces of a right-to-left line, given in reading order, that no space parts: marks had torn them."""
    joined: list[Word] = []
    for word in words:
        last = joined[-1] if joined else None
        if last and last.rtl and word.rtl and last.left - word.right < _TOUCHING * word.height:
            joined[-1] = _merge(last, word)
        else:
            joined.append(word)
    return joined


def pair_brackets(words: Sequence[Word]) -> list[Word]:
    """Make brackets of a right-to-left line open and close in reading order: files store them mirrored or not."""
    depth = dict.fromkeys(_BRACKETS.values(), 0)

    def turn(char: str) -> str:
        kind = _BRACKETS.get(char)
        if kind is None:
            return char
        depth[kind] = 1 - depth[kind]
        return kind[1 - depth[kind]]

    return [word._replace(text="".join(map(turn, word.text))) for word in words]


def is_tiny(word: Word) -> bool:
    """Tell whether a word is set too small to be meant for reading."""
    return word.height < _MIN_HEIGHT_POINTS


def _groups(glyphs: Iterable[Glyph]) -> Iterator[list[Glyph]]:
    group: list[Glyph] = []
    for glyph in glyphs:
        if glyph.text.isspace() or (group and _is_apart(group[-1], glyph)):
            if group:
                yield group
            group = []
        if not glyph.text.isspace():
            group.append(glyph)
    if group:
        yield group


def _is_apart(previous: Glyph, glyph: Glyph) -> bool:
    if unicodedata.combining(glyph.text[0]):
        return False
    height = min(previous.bottom - previous.top, glyph.bottom - glyph.top)
    overlap = min(previous.bottom, glyph.bottom) - max(previous.top, glyph.top)
    gap = max(glyph.left - previous.right, previous.left - glyph.right)
    return overlap < _MIN_OVERLAP * height or gap > _MAX_GAP * max(height, 1.0)


def _unligature(group: list[Glyph], votes: LigatureVotes) -> list[Glyph]:
    result: list[Glyph] = []
    run: list[Glyph] = []
    for glyph in group:
        if run and not _same_box(run[-1], glyph):
            result += _turned(run, votes)
            run = []
        run.append(glyph)
    return result + _turned(run, votes)


def _reading_order(group: list[Glyph]) -> list[Glyph]:
    """Order the characters of a word by their places: some files store Arabic letters, or foreign words amid them,
    from the wrong end.
    """
    if len(group) == 1:
        return group
    if not any(has_arabic(glyph.text) for glyph in group):
        return sorted(group, key=lambda g: g.left) if group[0].left > group[-1].left else group
    letters = [glyph for glyph in group if not unicodedata.combining(glyph.text[0])]
    ordered = _leftwards(letters)
    if len(letters) == len(group):
        return ordered
    marks = [glyph for glyph in group if unicodedata.combining(glyph.text[0])]
    return [char for letter in ordered for char in (letter, *(m for m in marks if _bearer(m, letters) is letter))]


def _leftwards(letters: list[Glyph]) -> list[Glyph]:
    """Order letters from right to left, letters of one glyph as they come, digits and foreign letters left to right."""
    units = [list(unit) for _, unit in groupby(letters, key=lambda g: g[1:5])]
    units.sort(key=lambda unit: -(unit[0].left + unit[0].right))
    ordered: list[Glyph] = []
    for foreign, run in groupby(units, key=lambda unit: unit[0].text.isalnum() and not has_arabic(unit[0].text)):
        ordered += [glyph for unit in (reversed(list(run)) if foreign else run) for glyph in unit]
    return ordered


def _bearer(mark: Glyph, letters: list[Glyph]) -> Glyph | None:
    """Return the letter a vowel mark stands over: the one whose middle is nearest."""
    middle = (mark.left + mark.right) / 2
    return min(letters, key=lambda g: abs((g.left + g.right) / 2 - middle), default=None)


def _turned(run: list[Glyph], votes: LigatureVotes) -> list[Glyph]:
    turn = len(run) > 1 and any(has_arabic(glyph.text) for glyph in run) and votes.says_backwards(run)
    return run[::-1] if turn else run


def _same_box(a: Glyph, b: Glyph) -> bool:
    return a[1:5] == b[1:5] and a.right > a.left


def _word(text: str, group: list[Glyph]) -> Word:
    return Word(
        text,
        min(g.left for g in group),
        min(g.top for g in group),
        max(g.right for g in group),
        max(g.bottom for g in group),
        has_arabic(text),
        group[0].style.bold,
        any(g.style.doubtful for g in group),
    )


def _merge(a: Word, b: Word) -> Word:
    return Word(
        a.text + b.text,
        min(a.left, b.left),
        min(a.top, b.top),
        max(a.right, b.right),
        max(a.bottom, b.bottom),
        a.rtl or b.rtl,
        a.bold,
        a.doubtful or b.doubtful,
    )
