"""Shapes of a slide and the text in them (ECMA-376 part 1, §19.3 and §21.1)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rag.parse.builder import squeeze
from rag.parse.ooxml.omml import FORMULA_TAGS, linear

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"dt", "ftr", "sldNum", "hdr"})
_ITEM_PLACEHOLDERS = frozenset({None, "body", "obj"})
_MAX_HIDDEN_CENTIPOINTS = 200


class SlideSize(NamedTuple):
    """Width and height of the slides in EMU; zero when the file does not say."""

    width: int
    height: int

    @classmethod
    def of(cls, presentation: Any) -> "SlideSize":
        """Read the size from the presentation part."""
        size = presentation.find(f"{P}sldSz")
        return cls(_number(size, "cx"), _number(size, "cy")) if size is not None else cls(0, 0)


class Shape(NamedTuple):
    """A shape with text or a table; `visible` unless it is marked hidden or lies off the slide."""

    element: Any
    visible: bool


def shapes(slide: Any, size: SlideSize) -> Iterator[Shape]:
    """Yield the shapes of a slide in the order of the file, members of groups included, furniture left out."""
    tree = slide.find(f"{P}cSld/{P}spTree")
    return _shapes_in(tree, size, is_hidden=False, in_group=False) if tree is not None else iter(())


def is_title(shape: Any) -> bool:
    """Tell whether a shape is the slide's title."""
    placeholder = _placeholder(shape)
    return placeholder is not None and placeholder.get("type") in _TITLES


def paragraphs(shape: Any) -> Iterator[tuple[bool, str]]:
    """Yield for each paragraph of a shape whether it is a list item, and its text."""
    placeholder = _placeholder(shape)
    in_list = placeholder is not None and placeholder.get("type") in _ITEM_PLACEHOLDERS
    for paragraph in shape.iterfind(f"{P}txBody/{A}p"):
        text = "\n".join(filter(None, (squeeze(line) for line in _text(paragraph).split("\n"))))
        if text:
            properties = paragraph.find(f"{A}pPr")
            has_bullet = (
                properties is not None
                and next(properties.iterchildren(f"{A}buChar", f"{A}buAutoNum"), None) is not None
            )
            no_bullet = properties is not None and properties.find(f"{A}buNone") is not None
            yield has_bullet or (in_list and not no_bullet), text


def table_rows(frame: Any) -> Iterator[list[str]]:
    """Yield the rows of a table as the texts of their cells."""
    for row in frame.iter(f"{A}tr"):
        cells = [squeeze(" ".join(_text(p) for p in cell.iter(f"{A}p"))) for cell in row.findall(f"{A}tc")]
        if any(cells):
            yield cells


def _shapes_in(container: Any, size: SlideSize, *, is_hidden: bool, in_group: bool) -> Iterator[Shape]:
    for child in container:
        hidden = is_hidden or _is_hidden(child) or (not in_group and _is_off(child, size))
        if child.tag == f"{P}grpSp":
            yield from _shapes_in(child, size, is_hidden=hidden, in_group=True)
        elif child.tag == f"{_MC}AlternateContent":
            choice = child.find(f"{_MC}Choice")
            if choice is not None:
                yield from _shapes_in(choice, size, is_hidden=hidden, in_group=in_group)
        elif child.tag in (f"{P}sp", f"{P}graphicFrame") and not _is_furniture(child):
            yield Shape(child, not hidden)


def _placeholder(shape: Any) -> Any | None:
    return shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")


def _is_furniture(shape: Any) -> bool:
    placeholder = _placeholder(shape)
    return placeholder is not None and placeholder.get("type") in _FURNITURE


def _is_hidden(shape: Any) -> bool:
    names = next(shape.iterfind(f"*/{P}cNvPr"), None)
    return names is not None and names.get("hidden") in ("1", "true")


def _is_off(shape: Any, size: SlideSize) -> bool:
    frame = next((f for f in (shape.find(f"{P}spPr/{A}xfrm"), shape.find(f"{P}xfrm")) if f is not None), None)
    if frame is None or not size.width or not size.height:
        return False
    offset, extent = frame.find(f"{A}off"), frame.find(f"{A}ext")
    if offset is None or extent is None:
        return False
    x, y = _number(offset, "x"), _number(offset, "y")
    return x >= size.width or y >= size.height or x + _number(extent, "cx") <= 0 or y + _number(extent, "cy") <= 0


def _text(paragraph: Any) -> str:
    parts: list[str] = []
    for child in paragraph.iter(f"{A}r", f"{A}br", f"{A}fld", *FORMULA_TAGS):
        if child.tag == f"{A}br":
            parts.append("\n")
        elif child.tag in FORMULA_TAGS:
            parts.append(f" {linear(child)} ")
        elif not _is_tiny(child):
            parts.append(child.findtext(f"{A}t") or "")
    return "".join(parts)


def _is_tiny(run: Any) -> bool:
    properties = run.find(f"{A}rPr")
    size = properties.get("sz", "") if properties is not None else ""
    return size.isdecimal() and int(size) <= _MAX_HIDDEN_CENTIPOINTS


def _number(element: Any, name: str) -> int:
    try:
        return int(element.get(name, "0"))
    except ValueError:
        return 0
