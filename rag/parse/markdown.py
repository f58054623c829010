"""Markdown: the text a reader of the rendered page sees. Comments, link titles, solutions and front matter stay out."""

import re
from collections.abc import Iterator
from typing import IO

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from rag.parse.builder import TextBuilder, clean, squeeze
from rag.parse.contract import MARKDOWN, MediaType, ParsedDocument, ParseLimits
from rag.parse.encoding import decode
from rag.parse.html.blocks import HtmlText
from rag.parse.markdown_source import strip_source

_ATTRIBUTES = re.compile(r"^\{[^}\n]*\}")
_MATH_FENCES = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))


def parse(source: IO[bytes], limits: ParseLimits) -> ParsedDocument:
    """Extract the text of a Markdown file.

    Raises:
        ParseFailure: `empty`, `unreadable` or `too-large`.
    """
    return parse_text(decode(source.read()), limits, MARKDOWN)


def parse_text(text: str, limits: ParseLimits, media_type: MediaType) -> ParsedDocument:
    """Extract Markdown that is already text (a slide deck inside HTML is)."""
    builder = TextBuilder(media_type, limits.text_chars)
    stripped = strip_source(clean(text))
    if stripped.had_solutions:
        builder.warn("solutions-dropped")
    if stripped.title:
        builder.add("heading", squeeze(stripped.title), level=1)
    _Walker(builder).walk(_markdown().parse(stripped.text))
    return builder.build()


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    markdown.inline.ruler.before("escape", "math", _math)
    return markdown


def _math(state: StateInline, silent: bool) -> bool:
    """Keep a formula as written: emphasis and escapes mean something else in LaTeX."""
    for opening, closing in _MATH_FENCES:
        if not state.src.startswith(opening, state.pos):
            continue
        end = state.src.find(closing, state.pos + len(opening))
        body = state.src[state.pos + len(opening) : end]
        if (
            end < 0
            or end >= state.posMax
            or not body.strip()
            or (opening == "$" and (body[0] == " " or body[-1] == " "))
        ):
            continue
        if not silent:
            state.push("math", "", 0).content = state.src[state.pos : end + len(closing)]
        state.pos = end + len(closing)
        return True
    return False


class _Walker:
    """Turns the stream of block tokens into blocks of text."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._list_marks: list[int | None] = []
        self._mark = ""
        self._row: list[str] = []

    def walk(self, tokens: list[Token]) -> None:
        """Add every block of the document."""
        for position, token in enumerate(tokens):
            if token.type == "inline":
                self._inline(token, tokens[position - 1])
            elif token.type in ("fence", "code_block"):
                self._builder.add("code", token.content.expandtabs(4))
            elif token.type == "html_block":
                HtmlText(self._builder).add_fragment(token.content)
            else:
                self._structure(token)

    def _structure(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._list_marks.append(None)
            case "ordered_list_open":
                self._list_marks.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._list_marks.pop()
            case "list_item_open":
                self._mark = self._next_mark()
            case "tr_open":
                self._row = []
            case "tr_close":
                self._builder.add("table-row", " | ".join(self._row))

    def _next_mark(self) -> str:
        number = self._list_marks[-1]
        if number is None:
            return "- "
        self._list_marks[-1] = number + 1
        return f"{number}. "

    def _inline(self, token: Token, opened: Token) -> None:
        text = "".join(_visible(token.children or []))
        if opened.type == "heading_open":
            self._builder.add("heading", squeeze(text), level=int(opened.tag[1:]))
        elif opened.type in ("th_open", "td_open"):
            self._row.append(squeeze(text))
        elif self._list_marks and self._mark:
            self._builder.add("list-item", self._mark + _tidy(text))
            self._mark = ""
        else:
            self._builder.add("paragraph", _tidy(text))


def _visible(tokens: list[Token]) -> Iterator[str]:
    """Yield the text of inline tokens; images and raw tags have none that a reader sees."""
    for position, token in enumerate(tokens):
        match token.type:
            case "text" if position and tokens[position - 1].type in ("image", "link_close"):
                yield _ATTRIBUTES.sub("", token.content)
            case "text" | "code_inline" | "math":
                yield token.content
            case "softbreak":
                yield " "
            case "hardbreak":
                yield "\n"
            case "html_inline" if token.content.lower().startswith("<br"):
                yield "\n"


def _tidy(text: str) -> str:
    return "\n".join(filter(None, (squeeze(line) for line in text.split("\n"))))
