"""Sentences with exact offsets. Headings are no sentences; list items and table rows are units of their own."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LONG_CHARS = 400
_HEADING_WORDS = 12
_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*")
_LINE_START = re.compile(r"(?:[-*•▪◦‣●○■□❒–—]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")
_TERMINATOR = re.compile(r"(?:[.!?…؟۔]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”]?)\s*")
_CLAUSE_END = re.compile(r"[؛;]\s+")
_FINISHED = re.compile(r"[.!?…؟۔。！？:؛][\"'”’»)\]]*$")
_ABBREVIATIONS = """
al approx art ca cf ch chap co corp dept dr e.g ed eds eq eqs etc ex fig figs gen hon i.e inc jr lab lt ltd mr mrs ms mt
no nos op p pp prof pt ref refs rev sec sect sr st tab univ viz vol vs د أ م ص ج هـ ق.م إلخ
"""
_ABBREVIATED = frozenset(_ABBREVIATIONS.split())
_OPENING = re.compile(r"[\"'“‘«(\[]*")


class Span(NamedTuple):
    """Half-open range of code points."""

    start: int
    end: int


def sentences(text: str, language: str) -> list[Span]:
    """Return the sentences of `text`, in order, without surrounding white space.

    A short line that stands alone and is not finished like a sentence is a heading and left out, unless the text has
    nothing else. `language` is the text's ISO 639-1 code.
    """
    units = [unit for paragraph in _PARAGRAPH.finditer(text) for unit in _units(text, *paragraph.span())]
    prose = [unit for unit in units if not _is_heading(text, unit)] or units
    spans = [piece for unit in prose for piece in _split_unit(text, unit, language)]
    return [span for span in spans if span.end > span.start]


def _units(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut a paragraph at the line ends that mean something, not at those of mere wrapping."""
    begin = start
    for match in re.finditer("\n", text[start:end]):
        position = start + match.start()
        if not _is_wrapped(text, position):
            yield _trim(text, begin, position)
            begin = position + 1
    yield _trim(text, begin, end)


def _is_wrapped(text: str, newline: int) -> bool:
    following = text[newline + 1 : newline + 80].lstrip()
    if _LINE_START.match(following):
        return False
    line = text[text.rfind("\n", 0, newline) + 1 : newline].rstrip()
    return line.endswith("-") or following[:1].islower()


def _is_heading(text: str, unit: Span) -> bool:
    line = text[unit.start : unit.end]
    alone = text[: unit.start].endswith(("\n\n", "")) and (unit.end == len(text) or text.startswith("\n", unit.end))
    if not alone or "\n" in line or _LINE_START.match(line) or " | " in line:
        return False
    return not _FINISHED.search(line) and len(line.split()) <= _HEADING_WORDS


def _split_unit(text: str, unit: Span, language: str) -> Iterator[Span]:
    begin = unit.start
    for match in _TERMINATOR.finditer(text, unit.start, unit.end):
        if _ends_sentence(text, begin, match, unit.end, language):
            yield from _split_long(text, _trim(text, begin, match.end()))
            begin = match.end()
    yield from _split_long(text, _trim(text, begin, unit.end))


def _ends_sentence(text: str, begin: int, match: re.Match[str], end: int, language: str) -> bool:
    if match.end() >= end:
        return True
    following = text[_OPENING.match(text, match.end()).end() :][:1]  # type: ignore[union-attr]
    if following.islower():
        return False
    if not match.group().startswith(".") or match.group().startswith(".."):
        return True
    word = text[begin : match.start()].rsplit(maxsplit=1)[-1:] or [""]
    return not _is_abbreviation(word[0].lstrip("(["), begin, match.start(), text, language)


def _is_abbreviation(word: str, begin: int, stop: int, text: str, language: str) -> bool:
    if word.lower() in _ABBREVIATED:
        # Arabic abbreviates with single letters that are no words; at a sentence's end they are rare enough.
        return word.isascii() or language == "ar"
    is_initial = len(word) == 1 and word.isupper()
    is_item_number = word.rstrip(")").isdecimal() and not text[begin:stop].strip().strip(word)
    return is_initial or is_item_number


def _split_long(text: str, span: Span) -> Iterator[Span]:
    """Cut what no one would quote whole at its semicolons; Arabic prose can run on for a page without a stop."""
    begin = span.start
    if span.end - span.start > _LONG_CHARS:
        for match in _CLAUSE_END.finditer(text, span.start, span.end):
            yield _trim(text, begin, match.end())
            begin = match.end()
    yield _trim(text, begin, span.end)


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    stripped = piece.lstrip()
    start += len(piece) - len(stripped)
    return Span(start, start + len(stripped.rstrip()))
