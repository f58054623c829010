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
_MIN_BODY_LINES = 4
_SIZE_TOLERANCE = 1.12
_LOOSE_GAP = 0.6
_EDGE_LINES = 2
_RUNNING_PAGES = 3
_RUNNING_SHARE = 0.5


class PdfBlock(NamedTuple):
    """Lines that belong together; `joins[i]` stands between line i and i + 1: a space where the line was wrapped."""

    kind: BlockKind
    level: int
    lines: list[Line]
    joins: list[str]


class BodySize(NamedTuple):
    """Height of the letters of ordinary text in points, for left-to-right and right-to-left lines; 0 if unknown."""

    ltr: float
    rtl: float

    def ratio(self, line: Line) -> float:
        """Return how much larger than ordinary text a line is set."""
        body = self.rtl if line.rtl else self.ltr
        return line.height / body if body else 1.0


def body_size(pages: Sequence[Sequence[Line]]) -> BodySize:
    """Return the heights most characters of the document have."""
    sizes: dict[bool, Counter[float]] = {False: Counter(), True: Counter()}
    lines = Counter(line.rtl for page in pages for line in page)
    for page in pages:
        for line in page:
            sizes[line.rtl][round(line.height, 1)] += len(line.text)
    ltr, rtl = (sizes[d].most_common(1)[0][0] if lines[d] >= _MIN_BODY_LINES else 0.0 for d in (False, True))
    return BodySize(ltr, rtl)


def drop_running_titles(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Leave out headers and footers that stand on most pages, page numbers aside; the first of each stays."""
    seen: dict[str, set[int]] = defaultdict(set)
    for number, page in enumerate(pages):
        for line in _edges(page):
            seen[_masked(line)].add(number)
    enough = max(_RUNNING_PAGES, _RUNNING_SHARE * len(pages))
    running = {key: min(numbers) for key, numbers in seen.items() if len(numbers) >= enough}
    return [
        [line for line in page if running.get(_masked(line), number) >= number or line not in _edges(page)]
        for number, page in enumerate(pages)
    ]


def to_blocks(lines: Sequence[Line], body: BodySize) -> Iterator[PdfBlock]:
    """Group the lines of one page into blocks."""
    block: PdfBlock | None = None
    for position, line in enumerate(lines):
        right, left = _edges_of_column(lines, position)
        if block and (join := _join(block, line, left, right, body)):
            block.joins.append(join)
            block.lines.append(line)
            continue
        if block:
            yield block
        block = _start(line, body, after=lines[position + 1 : position + 2])
    if block:
        yield block


def _start(line: Line, body: BodySize, after: Sequence[Line]) -> PdfBlock:
    level = _heading_level(line, body, after)
    if level:
        return PdfBlock("heading", level, [line], [])
    kind: BlockKind = "list-item" if _BULLET.match(line.text) else "paragraph"
    return PdfBlock("formula" if line.unreliable else kind, 0, [line], [])


def _heading_level(line: Line, body: BodySize, after: Sequence[Line]) -> int:
    words = len(line.words)
    if words > _HEADING_WORDS or not _NAME.search(line.text) or line.text.endswith((".", ",", ":", "،")):
        return 0
    for ratio, level in _HEADING_RATIOS:
        if body.ratio(line) >= ratio:
            return level
    stands_alone = not after or not after[0].bold
    return _BOLD_LEVEL if line.bold and stands_alone and not _BULLET.match(line.text) else 0


def _join(block: PdfBlock, line: Line, left: float, right: float, body: BodySize) -> str | None:
    """Return what joins `line` to the block: a space after a wrapped line, a line end, or None for a new block."""
    last = block.lines[-1]
    if last.column != line.column or _BULLET.match(line.text) or not _same_size(last, line):
        return None
    if line.top - last.bottom > _LOOSE_GAP * last.height or line.bottom <= last.bottom:
        return None
    if block.kind == "heading":
        return " " if body.ratio(line) >= _HEADING_RATIOS[-1][0] else None
    if _heading_level(line, body, ()):
        return None
    if _is_wrapped(last, line, left, right):
        return "\n" if last.text.endswith("-") else " "
    return "\n" if block.kind == "paragraph" else None


def _is_wrapped(last: Line, line: Line, left: float, right: float) -> bool:
    """Tell whether the first word of `line` did not fit on the line before."""
    first = line.words[0]
    room = last.left - left if last.rtl else right - last.right
    return room < (first.right - first.left) + 0.5 * last.height


def _same_size(a: Line, b: Line) -> bool:
    # Scripts differ in the height of their fonts: compare only lines of one direction.
    return a.rtl != b.rtl or max(a.height, b.height) <= _SIZE_TOLERANCE * min(a.height, b.height)


def _edges_of_column(lines: Sequence[Line], position: int) -> tuple[float, float]:
    """Return right and left edge of the text around a line: that of lines near it that share its column."""
    here = lines[position]
    nearby = lines[max(0, position - 6) : position + 7]
    peers = [line for line in nearby if line.column == here.column and not line.loose]
    near = [here, *(line for line in peers if min(line.right, here.right) > max(line.left, here.left))]
    return max(line.right for line in near), min(line.left for line in near)


def _edges(page: Sequence[Line]) -> list[Line]:
    by_height = sorted(page, key=lambda line: line.top)
    return by_height[:_EDGE_LINES] + by_height[-_EDGE_LINES:]


def _masked(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text)
