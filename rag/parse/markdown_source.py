"""What is taken out of Markdown source before it is parsed: front matter and parts that hold solutions."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rag.parse.solutions import marks_solution

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(\S.*)$", re.MULTILINE)
_FENCE = re.compile(r"^\s*(:{3,})\s*(.*?)\s*:*\s*$")
_CODE_FENCE = re.compile(r"^\s*(?:```|~~~)")
_ATTRIBUTES = re.compile(r"^[>\s]*\{:?\s*(.*?)\s*\}\s*$")
# Such a line would make the parser take the Markdown after it for HTML.
_LONE_TAG = re.compile(r"^\s*(?:</?(?:img|br|hr)\b[^>]*>\s*)+$", re.IGNORECASE)
_QUOTE = re.compile(r"^((?:>\s?)+)")


class MarkdownSource(NamedTuple):
    """Markdown without front matter, `::: name` lines and solutions; the title that the front matter gave."""

    text: str
    title: str
    had_solutions: bool


def strip_source(text: str) -> MarkdownSource:
    """Take out of Markdown source what is no text of the rendered page."""
    front = _FRONT_MATTER.match(text)
    title = _TITLE.search(front.group()) if front else None
    lines = text[front.end() if front else 0 :].split("\n")
    kept = _strip_solution_quotes(list(_strip_divs(lines)))
    shown = "\n".join(line for line in kept if line is not None)
    return MarkdownSource(shown, title.group(1).strip("\"' ") if title else "", None in kept)


def _strip_divs(lines: list[str]) -> Iterator[str | None]:
    """Yield lines outside solution divs, None once for each solution (Pandoc's fenced divs, nested)."""
    names: list[str] = []
    in_code = False
    for line in lines:
        if _CODE_FENCE.match(line):
            in_code = not in_code
        fence = None if in_code else _FENCE.match(line)
        hidden = any(map(_is_solution, names))
        if fence:
            name = fence.group(2)
            if name:
                names.append(name)
                if not hidden and _is_solution(name):
                    yield None
            elif names:
                names.pop()
            yield ""
        elif not hidden:
            yield "" if _LONE_TAG.match(line) and not in_code else line


def _is_solution(name: str) -> bool:
    return any(marks_solution(word) for word in re.split(r"[\s{}]+", name) if word)


def _strip_solution_quotes(lines: list[str | None]) -> list[str | None]:
    """Drop block quotes that kramdown's `{: .solution}` line marks as solutions, and all other such lines."""
    kept: list[str | None] = []
    for line in lines:
        attributes = _ATTRIBUTES.match(line) if line else None
        if not attributes or not line or ":" not in line:
            kept.append(line)
        elif _is_solution(attributes.group(1)):
            _drop_quote(kept, _depth(line) + 1)
            kept.append(None)
    return kept


def _drop_quote(kept: list[str | None], depth: int) -> None:
    while kept and kept[-1] is not None and _depth(kept[-1]) >= depth:
        kept.pop()


def _depth(line: str) -> int:
    match = _QUOTE.match(line)
    return match.group(1).count(">") if match else 0
