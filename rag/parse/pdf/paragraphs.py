"""Paragraphs, list items and headings from lines of print, by the spaces around them and the size of their letters."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rag.parse.contract import BlockKind
from rag.parse.pdf.lines import Line

_BULLET = re.compile(r"(?:[•▪◦‣●○■□❒❑➢➤✓·*–—-]|\(?\d{1,3}[.)]|\(?[A-Za-z][.)])(?:\s|$)")
_NAME = re.compile(r"[^\W\d_]{3}")
_HEADING_RATIOS = ((1.6, 1), (1.3, 2), (1.12, 3))
_BOLD_LEVEL = 4
_HEADING_WORDS = 16
_MAX_BOLD_SHARE = 0.3
_SIZE_TOLERANCE = 1.12
_LOOSE_GAP = 0.6
_MARGIN = 0.1
_RUNNING_PAGES = 3
_RUNNING_SHARE = 0.5


class PdfBlock(NamedTuple):
    """Lines that belong together; `joins[i]` stands between line i and i + 1: a space where the line was wrapped."""

    kind: BlockKind
    level: int
    lines: list[Line]
    joins: list[str]


class Body(NamedTuple):
    """How ordinary text is set: size of its letters in points, and whether bold letters stand out from it."""

    size: float
    bold_stands_out: bool


def body_of(pages: Sequence[Sequence[Line]]) -> Body:
    """Return how most characters of the document are set."""
    sizes: Counter[float] = Counter()
    bold = 0
    for line in (line for page in pages for line in page):
        sizes[round(line.height, 1)] += len(line.text)
        bold += line.bold * len(line.text)
    size, _ = sizes.most_common(1)[0]
    return Body(max(size, 1.0), bold <= _MAX_BOLD_SHARE * sizes.total())


def drop_running_titles(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> list[list[Line]]:
    """Leave out headers and footers that stand on most pages, page numbers aside; the first of each stays.

    `heights` are those of the pages, in points.
    """
    seen: dict[str, set[int]] = defaultdict(set)
    for number, (page, height) in enumerate(zip(pages, heights, strict=True)):
        for line in page:
            if _is_in_margin(line, height):
                seen[_masked(line)].add(number)
    enough = max(_RUNNING_PAGES, _RUNNING_SHARE * len(pages))
    first_page = {title: min(numbers) for title, numbers in seen.items() if len(numbers) >= enough}
    return [
        [line for line in page if not _is_in_margin(line, height) or first_page.get(_masked(line), number) == number]
        for number, (page, height) in enumerate(zip(pages, heights, strict=True))
    ]


def to_blocks(lines: Sequence[Line], body: Body) -> Iterator[PdfBlock]:
    """Group the lines of one page into blocks."""
    block: PdfBlock | None = None
    for position, line in enumerate(lines):
        right, left = _edges_of_column(lines, position)
        level = _heading_level(line, body, after=lines[position + 1 : position + 2])
        if block and (join := _join(block, line, level, left, right)):
            block.joins.append(join)
            block.lines.append(line)
            continue
        if block:
            yield block
        block = _start(line, level)
    if block:
        yield block


def _start(line: Line, level: int) -> PdfBlock:
    if level:
        return PdfBlock("heading", level, [line], [])
    kind: BlockKind = "list-item" if _BULLET.match(line.text) else "paragraph"
    return PdfBlock("formula" if line.unreliable else kind, 0, [line], [])


def _heading_level(line: Line, body: Body, after: Sequence[Line]) -> int:
    """Return the level of a heading, 0 for other lines: larger than ordinary text, or bold and alone."""
    text = line.text
    if len(line.words) > _HEADING_WORDS or not _NAME.search(text) or text.endswith((".", ",", ":", "،")):
        return 0
    for ratio, level in _HEADING_RATIOS:
        if line.height >= ratio * body.size:
            return level
    alone = body.bold_stands_out and line.bold and not any(next_line.bold for next_line in after)
    return _BOLD_LEVEL if alone and not _BULLET.match(text) else 0


def _join(block: PdfBlock, line: Line, level: int, left: float, right: float) -> str | None:
    """Return what joins `line` to the block: a space after a wrapped line, a line end, or None for a new block."""
    last = block.lines[-1]
    same_size = max(last.height, line.height) <= _SIZE_TOLERANCE * min(last.height, line.height)
    if last.column != line.column or not same_size or _BULLET.match(line.text):
        return None
    if line.top - last.bottom > _LOOSE_GAP * last.height or line.bottom <= last.bottom:
        return None
    if level or block.kind == "heading":
        return " " if level == block.level else None
    if _is_wrapped(last, line, left, right):
        return "\n" if last.text.endswith("-") else " "
    return "\n" if block.kind == "paragraph" else None


def _is_wrapped(last: Line, line: Line, left: float, right: float) -> bool:
    """Tell whether the first word of `line` did not fit on the line before."""
    first = line.words[0]
    room = last.left - left if last.rtl else right - last.right
    return room < (first.right - first.left) + 0.5 * last.height


def _edges_of_column(lines: Sequence[Line], position: int) -> tuple[float, float]:
    """Return right and left edge of the text around a line: that of lines near it that share its column."""
    here = lines[position]
    nearby = lines[max(0, position - 6) : position + 7]
    peers = [line for line in nearby if line.column == here.column and not line.loose]
    near = [here, *(line for line in peers if min(line.right, here.right) > max(line.left, here.left))]
    return max(line.right for line in near), min(line.left for line in near)


def _is_in_margin(line: Line, page_height: float) -> bool:
    return line.bottom < _MARGIN * page_height or line.top > (1 - _MARGIN) * page_height


def _masked(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text)
