"""PDF: words from their places on the page, in reading order, with the boxes that mark a citation."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import IO

import pypdfium2 as pdfium
import pypdfium2.raw as c

from rag.parse.builder import TextBuilder
from rag.parse.contract import PDF, ParsedDocument, ParseLimits, WordBox
from rag.parse.failure import ParseFailure
from rag.parse.pdf.document import open_pdf
from rag.parse.pdf.glyphs import Frame, Glyph, frame_of, read_glyphs
from rag.parse.pdf.ink import visible_words
from rag.parse.pdf.lines import Line, read_lines
from rag.parse.pdf.paragraphs import PdfBlock, body_of, drop_running_titles, to_blocks
from rag.parse.pdf.words import LigatureVotes, Word, has_arabic, ligature_votes, to_words

_UNITS = 10_000
_ENOUGH_VOTES = 20
_MAX_BALLOT_PAGES = 20


def parse(source: IO[bytes], limits: ParseLimits) -> ParsedDocument:
    """Extract the text of a PDF.

    Raises:
        ParseFailure: `encrypted`, `unreadable`, `empty`, `too-many-pages`, `too-large` or `no-text`.
    """
    builder = TextBuilder(PDF, limits.text_chars)
    with open_pdf(source, limits) as pdf:
        reader = _PageReader(pdf, limits.text_chars)
        pages = [reader.read(index) for index in range(len(pdf))]
    if not any(lines for _, lines, _ in pages):
        raise ParseFailure("no-text" if any(has_content for _, _, has_content in pages) else "empty")
    if reader.dropped_hidden:
        builder.warn("hidden-text-dropped")
    kept = drop_running_titles([lines for _, lines, _ in pages], [frame.height for frame, _, _ in pages])
    body = body_of(kept)
    for number, (lines, (frame, read, has_content)) in enumerate(zip(kept, pages, strict=True), start=1):
        builder.begin_page(number)
        if has_content and not read:
            builder.warn("pages-without-text")
        for block in to_blocks(lines, body):
            _add(builder, block, number, frame)
    return builder.build()


class _PageReader:
    """Reads pages one by one; which way round a document's ligatures are is settled on its first Arabic pages."""

    def __init__(self, pdf: pdfium.PdfDocument, max_chars: int) -> None:
        self._pdf = pdf
        self._room = max_chars
        self._votes = _count_votes(pdf)
        self.dropped_hidden = False

    def read(self, index: int) -> tuple[Frame, list[Line], bool]:
        """Return frame and lines of a page, and whether it has anything on it."""
        page = self._pdf[index]
        textpage = page.get_textpage()
        try:
            frame = frame_of(page)
            glyphs = self._counted(read_glyphs(textpage, frame))
            words = [
                word
                for upright, group in groupby(glyphs, key=lambda glyph: glyph.upright)
                if upright
                for word in to_words(group, self._votes)
            ]
            seen = visible_words(page, frame, words)
            self.dropped_hidden |= len(seen) < len(words)
            return frame, read_lines(seen), c.FPDFPage_CountObjects(page) > 0
        finally:
            textpage.close()
            page.close()

    def _counted(self, glyphs: Iterable[Glyph]) -> Iterator[Glyph]:
        for glyph in glyphs:
            self._room -= 1
            if self._room < 0:
                raise ParseFailure("too-large")
            yield glyph


def _count_votes(pdf: pdfium.PdfDocument) -> LigatureVotes:
    votes = LigatureVotes()
    for index in range(min(len(pdf), _MAX_BALLOT_PAGES)):
        page = pdf[index]
        textpage = page.get_textpage()
        if has_arabic(textpage.get_text_range()):
            votes += ligature_votes(list(read_glyphs(textpage, frame_of(page))))
        textpage.close()
        page.close()
        if votes.backwards + votes.forwards >= _ENOUGH_VOTES:
            break
    return votes


def _add(builder: TextBuilder, block: PdfBlock, page: int, frame: Frame) -> None:
    parts: list[str] = []
    places: list[tuple[int, int, Word]] = []
    unreliable: list[tuple[int, int]] = []
    length = 0
    for line, join in zip(block.lines, [*block.joins, ""], strict=True):
        line_start = length
        for position, word in enumerate(line.words):
            places.append((length, length + len(word.text), word))
            space = " " if position + 1 < len(line.words) else join
            parts.append(word.text + space)
            length += len(word.text) + len(space)
        if line.unreliable:
            unreliable.append((line_start, length - len(join)))
    start = builder.add(block.kind, "".join(parts), level=block.level)
    if start is None:
        return
    builder.add_words([_box(page, start, place, frame) for place in places])
    for begin, end in unreliable:
        builder.mark_unreliable(start + begin, start + end)


def _box(page: int, start: int, place: tuple[int, int, Word], frame: Frame) -> WordBox:
    begin, end, word = place
    return WordBox(
        page,
        start + begin,
        start + end,
        _unit(word.left, frame.width),
        _unit(word.top, frame.height),
        _unit(word.right, frame.width),
        _unit(word.bottom, frame.height),
    )


def _unit(points: float, extent: float) -> int:
    return min(max(round(points / max(extent, 1.0) * _UNITS), 0), _UNITS)
