"""remark.js slide decks: the page's text is Markdown inside a <textarea>, with the deck's own marks to take out."""

import re
from typing import Any

_SLIDE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_STEP = re.compile(r"^--[ \t]*$", re.MULTILINE)
_NOTES = re.compile(r"^\?\?\?.*", re.MULTILINE | re.DOTALL)
_PROPERTY = re.compile(
    r"^(?:class|name|layout|template|count|exclude|background-[a-z]+)[ \t]*:[ \t]*(.*)$", re.MULTILINE
)
_LEFT_OUT = re.compile(r"^(?:layout|exclude)[ \t]*:[ \t]*true[ \t]*$", re.MULTILINE)
_MACRO = re.compile(r"(?<![\w`])(?:\.[A-Za-z][\w-]*)+\[")
_BRACKET = re.compile(r"[\[\]]")
_SCRIPT = "remark"


def deck_of(root: Any) -> str | None:
    """Return the Markdown of a remark.js deck without speaker notes and marks, None for any other page."""
    sources = root.xpath("//textarea[@id='source']")
    scripts = " ".join((s.get("src") or "") + (s.text or "") for s in root.iter("script"))
    if not sources or _SCRIPT not in scripts:
        return None
    return "\n\n".join(filter(None, map(_slide_text, _SLIDE.split(sources[0].text or ""))))


def _slide_text(slide: str) -> str:
    if _LEFT_OUT.search(slide):
        return ""
    return _strip_macros(_STEP.sub("", _PROPERTY.sub("", _NOTES.sub("", slide)))).strip("\n")


def _strip_macros(text: str) -> str:
    """Replace `.class[content]` by its content; brackets inside the content are matched."""
    parts: list[str] = []
    position = 0
    closings: set[int] = set()
    for macro in _MACRO.finditer(text):
        closing = _matching(text, macro.end())
        if closing is None:
            continue
        closings.add(closing)
        parts.append(_without(text, position, macro.start(), closings))
        position = macro.end()
    return "".join([*parts, _without(text, position, len(text), closings)])


def _without(text: str, start: int, end: int, left_out: set[int]) -> str:
    return "".join(char for i, char in enumerate(text[start:end], start) if i not in left_out)


def _matching(text: str, start: int) -> int | None:
    depth = 1
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket.group() == "[" else -1
        if depth == 0:
            return bracket.start()
    return None
