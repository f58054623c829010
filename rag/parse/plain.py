"""Plain text: paragraphs parted by blank lines, hard-wrapped lines joined again."""

import re
from collections.abc import Iterator
from typing import IO

from rag.parse.builder import TextBuilder, clean
from rag.parse.contract import PLAIN, ParsedDocument, ParseLimits
from rag.parse.encoding import decode

_BLANK = re.compile(r"\n\s*\n|\f")
_ITEM = re.compile(r"\s*(?:[-*•·]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")
_WRAP_WIDTHS = range(40, 161)
_MIN_WRAPPED_LINES = 2


def parse(source: IO[bytes], limits: ParseLimits) -> ParsedDocument:
    """Extract the text of a plain text file.

    Raises:
        ParseFailure: `empty`, `unreadable` or `too-large`.
    """
    builder = TextBuilder(PLAIN, limits.text_chars)
    for paragraph in _BLANK.split(clean(decode(source.read()))):
        for line in _unwrap(paragraph.split("\n")):
            builder.add("list-item" if _ITEM.match(line) else "paragraph", line)
    return builder.build()


def _unwrap(lines: list[str]) -> Iterator[str]:
    """Join a line to the one before when that had no room for its first word."""
    width = max(len(line.rstrip()) for line in lines)
    current = ""
    for line in (line.strip() for line in lines):
        words = line.split(maxsplit=1)
        if not words:
            continue
        last_length = len(current.rpartition("\n")[2]) if current else 0
        if current and not _ITEM.match(line) and width in _WRAP_WIDTHS and last_length + 1 + len(words[0]) > width:
            current += f"\n{line}"
        else:
            if current:
                yield _flow(current)
            current = line
    if current:
        yield _flow(current)


def _flow(lines: str) -> str:
    return re.sub(r"(?<!-)\n", " ", lines)
