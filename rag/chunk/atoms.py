"""Atoms: the smallest stretches a passage is made of. A sentence, list item or table row is never cut if it can fit."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from semantic_text_splitter import TextSplitter

from rag.chunk.size import estimate_tokens
from rag.language import sentences
from rag.parse.contract import Block, ParsedDocument

_CHARS_PER_TOKEN = 3


class Atom(NamedTuple):
    """A stretch of a document's text; `heading_level` is 0 for anything but a heading."""

    start: int
    end: int
    tokens: int
    heading_level: int


def atoms_of(parsed: ParsedDocument, max_tokens: int, language: str) -> Iterator[Atom]:
    """Yield the atoms of a document in order, none longer than `max_tokens`, without white space around them."""
    levels = {heading.char_start: heading.level for heading in parsed.headings}
    for block in parsed.blocks:
        level = levels.get(block.char_start, 0) if block.kind == "heading" else 0
        for start, end in _cut(parsed.text, block, max_tokens, language):
            yield Atom(start, end, estimate_tokens(parsed.text[start:end]), level)


def _cut(text: str, block: Block, max_tokens: int, language: str) -> Iterator[tuple[int, int]]:
    whole = (block.char_start, block.char_end)
    if estimate_tokens(text[slice(*whole)]) <= max_tokens and block.kind != "paragraph":
        yield from _trimmed(text, *whole)
        return
    lines = _lines(text, *whole) if block.kind == "code" else _sentences(text, *whole, language)
    for start, end in lines:
        if estimate_tokens(text[start:end]) <= max_tokens:
            yield from _trimmed(text, start, end)
        else:
            yield from _hard_cut(text, start, end, max_tokens)


def _sentences(text: str, start: int, end: int, language: str) -> Iterator[tuple[int, int]]:
    """Yield sentences so that together they cover the block: what is between two goes to the first of them."""
    starts = [start + span.start for span in sentences(text[start:end], language)]
    bounds = [start, *starts[1:], end]
    yield from pairwise(bounds)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for line in text[start:end].splitlines(keepends=True):
        yield start, start + len(line)
        start += len(line)


def _hard_cut(
    text: str, start: int, end: int, max_tokens: int, capacity: int | None = None
) -> Iterator[tuple[int, int]]:
    """Cut what has no end in sight: at words, and where there are none, anywhere. `capacity` is in characters."""
    chars = capacity or max_tokens * _CHARS_PER_TOKEN
    for at, piece in _splitter(chars).chunk_indices(text[start:end]):
        piece_start, piece_end = start + at, start + at + len(piece)
        if chars > 1 and estimate_tokens(piece) > max_tokens:
            yield from _hard_cut(text, piece_start, piece_end, max_tokens, chars // 2)
        else:
            yield from _trimmed(text, piece_start, piece_end)


@lru_cache
def _splitter(capacity: int) -> TextSplitter:
    return TextSplitter(capacity)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    left = start + len(piece) - len(piece.lstrip())
    right = left + len(piece.strip())
    if right > left:
        yield left, right
