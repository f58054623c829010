"""The text of one Word paragraph as its reader sees it: insertions accepted, deletions, field codes and hidden runs gone."""

from collections.abc import Iterator
from typing import Any

from rag.parse.ooxml.omml import FORMULA_TAGS, linear
from rag.parse.ooxml.word_styles import W

_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_UNSEEN = frozenset(
    f"{W}{name}"
    for name in (
        "del",
        "moveFrom",
        "sectPr",
        "pPr",
        "rPr",
        "tblPr",
        "tblGrid",
        "trPr",
        "tcPr",
        "instrText",
        "delText",
        "sdtPr",
    )
) | {f"{_MC}Fallback"}
_PLAIN = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": " "}
_NOTES = {f"{W}footnoteReference": "footnote", f"{W}endnoteReference": "endnote"}
_TEXT_BOX = f"{W}txbxContent"
_MAX_HIDDEN_HALF_POINTS = 3


def children_shown(element: Any) -> Iterator[Any]:
    """Yield the child elements that lead to text a reader sees."""
    return (child for child in element if isinstance(child.tag, str) and child.tag not in _UNSEEN)


class ParagraphText:
    """Text of a paragraph, and what hangs on it: text boxes, ids of notes; `hidden` when something was left out."""

    def __init__(self) -> None:
        self.text = ""
        self.text_boxes: list[Any] = []
        self.notes: list[tuple[str, str]] = []
        self.hidden = False

    @classmethod
    def of(cls, paragraph: Any) -> "ParagraphText":
        """Read a `w:p` element."""
        content = cls()
        content._read(paragraph)
        return content

    def _read(self, element: Any) -> None:
        for child in children_shown(element):
            if child.tag == f"{W}r" and _is_hidden(child):
                self.hidden |= any(text.text for text in child.iter(f"{W}t"))
            elif child.tag == f"{W}t":
                self.text += child.text or ""
            elif child.tag in _PLAIN:
                self.text += _PLAIN[child.tag]
            elif child.tag in FORMULA_TAGS:
                self.text += f" {linear(child)} "
            elif child.tag in _NOTES:
                self.notes.append((_NOTES[child.tag], child.get(f"{W}id", "")))
            elif child.tag == _TEXT_BOX:
                self.text_boxes.append(child)
            else:
                self._read(child)


def _is_hidden(run: Any) -> bool:
    """Tell whether a run is set hidden, too small to read, or white where nothing dark lies behind it."""
    properties = run.find(f"{W}rPr")
    if properties is None:
        return False
    vanish = properties.find(f"{W}vanish")
    if vanish is not None and vanish.get(f"{W}val", "true") not in ("0", "false", "off"):
        return True
    size = properties.find(f"{W}sz")
    if size is not None and size.get(f"{W}val", "").isdecimal() and int(size.get(f"{W}val")) <= _MAX_HIDDEN_HALF_POINTS:
        return True
    color = properties.find(f"{W}color")
    return color is not None and color.get(f"{W}val", "").upper() == "FFFFFF" and not _has_backdrop(run, properties)


def _has_backdrop(run: Any, properties: Any) -> bool:
    """Tell whether shading, a table (its style may shade) or a text box can lie behind a run."""
    shading = (f"{W}shd", f"{W}highlight")
    if any(properties.find(name) is not None for name in shading):
        return True
    for ancestor in run.iterancestors():
        if ancestor.tag in (f"{W}tbl", _TEXT_BOX):
            return True
        if ancestor.tag == f"{W}p" and ancestor.find(f"{W}pPr/{W}shd") is not None:
            return True
    return False
