"""What the styles of a Word document mean for its structure. Built-in style names are English in every language's Word."""

import re
from typing import Any, NamedTuple

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING = re.compile(r"heading ([1-9])$")
_MAX_OUTLINE = 8
_MAX_ANCESTORS = 20


class Style(NamedTuple):
    """`level` of a heading (0: none); `is_contents` for the lines of a table of contents; `is_list` for list items."""

    level: int = 0
    is_contents: bool = False
    is_list: bool = False


class Styles:
    """Styles by id, with what they inherit."""

    def __init__(self, root: Any | None) -> None:
        styles = root.iter(f"{W}style") if root is not None else ()
        self._elements = {style.get(f"{W}styleId"): style for style in styles}

    def of(self, paragraph: Any) -> Style:
        """Return the meaning of a paragraph's style and of its own properties."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return Style()
        chain = [properties, *self._chain(_value(properties.find(f"{W}pStyle")))]
        names = [(_value(style.find(f"{W}name")) or "").lower() for style in chain[1:]]
        return Style(
            level=next(
                filter(None, (_level(element, name) for element, name in zip(chain, ["", *names], strict=True))), 0
            ),
            is_contents=any(name.startswith("toc ") for name in names),
            is_list=any(element.find(f".//{W}numPr") is not None for element in chain),
        )

    def _chain(self, style_id: str | None) -> list[Any]:
        chain: list[Any] = []
        while style_id in self._elements and len(chain) < _MAX_ANCESTORS:
            chain.append(self._elements[style_id])
            style_id = _value(chain[-1].find(f"{W}basedOn"))
        return chain


def _level(element: Any, name: str) -> int:
    if name == "title":
        return 1
    if match := _HEADING.match(name):
        return int(match.group(1))
    outline = _value(element.find(f".//{W}outlineLvl"))
    return int(outline) + 1 if outline and outline.isdecimal() and int(outline) <= _MAX_OUTLINE else 0


def _value(element: Any | None) -> str | None:
    return element.get(f"{W}val") if element is not None else None
