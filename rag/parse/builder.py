"""The one place where text is put together and offsets are counted, shared by all formats."""

import re
import unicodedata

from rag.parse.contract import (
    Block,
    BlockKind,
    Heading,
    MediaType,
    PageSpan,
    ParsedDocument,
    ParseWarning,
    Span,
    WordBox,
)
from rag.parse.failure import ParseFailure
from rag.parse.version import PARSER_VERSION

# Control characters, direction marks (they can make text read other than it is stored), lone surrogates, non-characters.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffc\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_PRESENTATION = re.compile("[\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufdff\ufe70-\ufefc]")
_SPACES = re.compile(r"[^\S\n]+")
_TIGHT: frozenset[BlockKind] = frozenset({"list-item", "table-row"})


def clean(text: str) -> str:
    """Return `text` as it is stored: NFC, ligatures and Arabic presentation forms as letters, nothing invisible."""
    if not text.isascii():
        text = _PRESENTATION.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
        text = unicodedata.normalize("NFC", text)
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n"))


def squeeze(text: str) -> str:
    """Return `clean(text)` with every run of white space as one space, none at the ends."""
    return " ".join(clean(text).split())


class TextBuilder:
    """Collects blocks into one text. Blocks are parted by a blank line, rows of a list or table by a line end."""

    def __init__(self, media_type: MediaType, max_chars: int) -> None:
        self._media_type = media_type
        self._max_chars = max_chars
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings: list[Heading] = []
        self._pages: list[PageSpan] = []
        self._words: list[WordBox] = []
        self._unreliable: list[Span] = []
        self._warnings: set[ParseWarning] = set()
        self._page: tuple[int, int] | None = None

    def add(self, kind: BlockKind, text: str, *, level: int = 0) -> int | None:
        """Append a block of clean text and return where it starts; None when it is blank.

        Raises:
            ParseFailure: `too-large`, the text outgrows the limit.
        """
        stripped = text.strip("\n") if kind == "code" else text.strip()
        if not stripped.strip():
            return None
        self._separate(kind)
        start = self._length
        self._append(stripped)
        self._blocks.append(Block(kind, start, self._length))
        if kind == "heading":
            self._headings.append(Heading(level, squeeze(stripped), start))
        return start

    def add_words(self, words: list[WordBox]) -> None:
        """Record boxes whose offsets are already those of the whole text."""
        self._words.extend(words)

    def mark_unreliable(self, start: int, end: int) -> None:
        """Mark a stretch whose order of characters is a guess."""
        self._unreliable.append(Span(start, end))

    def warn(self, warning: ParseWarning) -> None:
        """Note something the lecturer should know."""
        self._warnings.add(warning)

    def begin_page(self, number: int) -> None:
        """Start page or slide `number`; what is added until the next one belongs to it."""
        self.end_page()
        if self._length:
            self._append("\n\n")
        self._page = (number, self._length)

    def end_page(self) -> None:
        """Close the page begun last."""
        if self._page is not None:
            number, start = self._page
            self._pages.append(PageSpan(number, start, self._length))
            self._page = None

    def build(self) -> ParsedDocument:
        """Return the document.

        Raises:
            ParseFailure: `empty`, there is no text at all.
        """
        self.end_page()
        if not self._blocks:
            raise ParseFailure("empty")
        return ParsedDocument(
            parser_version=PARSER_VERSION,
            media_type=self._media_type,
            text="".join(self._parts),
            pages=tuple(self._pages),
            headings=tuple(self._headings),
            blocks=tuple(self._blocks),
            words=tuple(self._words),
            unreliable=tuple(self._unreliable),
            warnings=tuple(sorted(self._warnings)),
        )

    def _separate(self, kind: BlockKind) -> None:
        if not self._length or (self._page and self._page[1] == self._length):
            return
        previous = self._blocks[-1].kind
        self._append("\n" if previous == kind and kind in _TIGHT else "\n\n")

    def _append(self, text: str) -> None:
        self._length += len(text)
        if self._length > self._max_chars:
            raise ParseFailure("too-large")
        self._parts.append(text)
