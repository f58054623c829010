"""Blocks of text from an HTML tree."""

from collections.abc import Callable
from typing import Any

from lxml import etree, html

from rag.parse.builder import TextBuilder, clean, squeeze
from rag.parse.contract import BlockKind
from rag.parse.html.mathml import linear
from rag.parse.html.visible import is_hidden, is_skipped, is_solution

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS_NAMES = """
address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure header hgroup hr
html legend main ol p section summary table tbody td tfoot th thead tr ul
"""
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_RAISED = {"sup": str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"), "sub": str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")}
_BLOCKS_IN_CELL = ".//table|.//ul|.//ol|.//pre|.//h1|.//h2|.//h3|.//h4|.//td//p[2]"


def parser() -> html.HTMLParser:
    """Return a parser that fetches nothing."""
    return html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)


class HtmlText:
    """Adds the visible text of HTML elements to a builder, block by block."""

    def __init__(self, builder: TextBuilder, leave_out: Callable[[Any], bool] | None = None) -> None:
        self._builder = builder
        self._leave_out = leave_out
        self._buffer: list[str] = []
        self._mark = ""
        self._lists: list[int | None] = []
        self.added = False

    def add_fragment(self, source: str) -> None:
        """Add a piece of HTML found inside another format; what cannot be parsed has no text."""
        if not source.strip() or source.lstrip().startswith("<!--"):
            return
        try:
            root = html.fragment_fromstring(source, create_parent="div", parser=parser())
        except (etree.LxmlError, ValueError):
            return
        self.add_tree(root)

    def add_tree(self, root: Any) -> None:
        """Add an element and all that is in it."""
        self._walk(root)
        self._flush("paragraph")

    def _walk(self, element: Any) -> None:
        if not isinstance(element.tag, str) or self._is_left_out(element):
            return
        tag = element.tag.rpartition("}")[2]
        if tag in _HEADINGS:
            self._own_block(element, "heading", _HEADINGS[tag])
        elif tag in ("ol", "ul"):
            self._list(element)
        elif tag == "li":
            self._list_item(element)
        elif tag == "pre":
            self._flush("paragraph")
            self._add("code", clean(element.text_content()).expandtabs(4))
        elif tag == "table" and not element.xpath(_BLOCKS_IN_CELL):
            self._table(element)
        elif tag == "math":
            self._buffer.append(f" {linear(element)} ")
        elif tag in _RAISED and (element.text or "").isascii() and (element.text or "").isdigit() and not len(element):
            self._buffer.append(element.text.translate(_RAISED[tag]))
        elif tag == "br":
            self._buffer.append("\n")
        elif tag in _BLOCKS:
            self._own_block(element, "paragraph")
        else:
            self._children(element)

    def _is_left_out(self, element: Any) -> bool:
        if is_skipped(element):
            return True
        if is_hidden(element):
            if element.text_content().strip():
                self._builder.warn("hidden-text-dropped")
            return True
        if is_solution(element):
            self._builder.warn("solutions-dropped")
            return True
        return self._leave_out is not None and self._leave_out(element)

    def _children(self, element: Any) -> None:
        self._buffer.append(_unwrapped(element.text))
        for child in element:
            self._walk(child)
            self._buffer.append(_unwrapped(child.tail))

    def _own_block(self, element: Any, kind: BlockKind, level: int = 0) -> None:
        self._flush("paragraph")
        self._children(element)
        self._flush(kind, level)

    def _list_item(self, element: Any) -> None:
        self._flush("paragraph")
        self._mark = self._next_mark()
        self._children(element)
        self._flush("paragraph")
        self._mark = ""

    def _next_mark(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def _list(self, element: Any) -> None:
        self._lists.append(0 if element.tag == "ol" else None)
        self._own_block(element, "paragraph")
        self._lists.pop()

    def _table(self, table: Any) -> None:
        self._flush("paragraph")
        caption = table.find("caption")
        if caption is not None:
            self._add("paragraph", squeeze(caption.text_content()))
        for row in table.iter("tr"):
            cells = [self._cell(cell) for cell in row if cell.tag in ("td", "th") and not self._is_left_out(cell)]
            if any(cells):
                self._add("table-row", " | ".join(cells))

    def _cell(self, cell: Any) -> str:
        self._children(cell)
        text = squeeze("".join(self._buffer))
        self._buffer = []
        return text

    def _flush(self, kind: BlockKind, level: int = 0) -> None:
        text = "\n".join(filter(None, (squeeze(line) for line in "".join(self._buffer).split("\n"))))
        self._buffer = []
        if not text:
            return
        if self._mark and kind == "paragraph":
            kind, text, self._mark = "list-item", self._mark + text, ""
        self._add(kind, squeeze(text) if kind == "heading" else text, level)

    def _add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        self.added |= self._builder.add(kind, text, level=level) is not None


def _unwrapped(text: str | None) -> str:
    return (text or "").replace("\n", " ")
