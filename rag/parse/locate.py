"""Where a passage stands on a page's image."""

from rag.parse.contract import ParsedDocument, Rectangle, WordBox

_UNITS = 10_000
_SAME_LINE_OVERLAP = 0.5
_MAX_GAP = 400  # 1/10,000 of the page width: wider than any word space, narrower than a gutter


def locate(document: ParsedDocument, page: int, char_start: int, char_end: int) -> list[Rectangle]:
    """Return rectangles that cover `text[char_start:char_end]` on `page`: one per line of print, in reading order.

    Empty when the format has no boxes or no word of the passage stands on that page.
    """
    boxes = [w for w in document.words if w.page == page and w.char_start < char_end and w.char_end > char_start]
    lines: list[WordBox] = []
    for box in boxes:
        if lines and _continues(lines[-1], box):
            lines[-1] = _union(lines[-1], box)
        else:
            lines.append(box)
    return [Rectangle(b.left / _UNITS, b.top / _UNITS, b.right / _UNITS, b.bottom / _UNITS) for b in lines]


def _continues(line: WordBox, word: WordBox) -> bool:
    overlap = min(line.bottom, word.bottom) - max(line.top, word.top)
    gap = max(word.left - line.right, line.left - word.right)
    return overlap >= _SAME_LINE_OVERLAP * min(line.bottom - line.top, word.bottom - word.top) and gap <= _MAX_GAP


def _union(a: WordBox, b: WordBox) -> WordBox:
    return WordBox(
        a.page,
        a.char_start,
        b.char_end,
        min(a.left, b.left),
        min(a.top, b.top),
        max(a.right, b.right),
        max(a.bottom, b.bottom),
    )
