"""Word documents: paragraphs, headings, lists, tables as rows, text boxes, notes. No comments, no deleted or hidden text."""

from collections.abc import Iterator
from typing import IO, Any

from rag.parse.builder import TextBuilder, squeeze
from rag.parse.contract import DOCX, BlockKind, ParsedDocument, ParseLimits
from rag.parse.failure import ParseFailure
from rag.parse.ooxml.archive import open_archive
from rag.parse.ooxml.package import Package
from rag.parse.ooxml.word_runs import ParagraphText, children_shown
from rag.parse.ooxml.word_styles import Styles, W


def parse(source: IO[bytes], limits: ParseLimits) -> ParsedDocument:
    """Extract the text of a Word document.

    Raises:
        ParseFailure: `unreadable`, `encrypted`, `bomb`, `type-mismatch`, `too-large`, `empty` or `no-text` (pictures only).
    """
    package = Package(open_archive(source, limits), limits)
    name, root = package.main_part("wordprocessingml")
    body = root.find(f"{W}body")
    if body is None:
        raise ParseFailure("unreadable", "no body")
    builder = TextBuilder(DOCX, limits.text_chars)
    reader = _Reader(builder, package, name)
    reader.read(body)
    if not reader.added and next(body.iter("{*}blip", "{*}imagedata"), None) is not None:
        raise ParseFailure("no-text")
    return builder.build()


class _Reader:
    def __init__(self, builder: TextBuilder, package: Package, main_part: str) -> None:
        self._builder = builder
        self._styles = Styles(next((root for _, root in package.related(main_part, "styles")), None))
        self._notes = {
            (kind, note.get(f"{W}id")): note
            for kind in ("footnote", "endnote")
            for _, root in package.related(main_part, f"{kind}s")
            for note in root.iter(f"{W}{kind}")
        }
        self.added = False

    def read(self, container: Any) -> None:
        """Add what a body, cell, text box or note holds."""
        for child in children_shown(container):
            if child.tag == f"{W}p":
                self._paragraph(child)
            elif child.tag == f"{W}tbl":
                self._table(child)
            else:
                self.read(child)

    def _paragraph(self, paragraph: Any) -> None:
        style = self._styles.of(paragraph)
        if style.is_contents:
            return
        content = ParagraphText.of(paragraph)
        if content.hidden:
            self._builder.warn("hidden-text-dropped")
        text = "\n".join(filter(None, (squeeze(line) for line in content.text.split("\n"))))
        if style.level:
            self._add("heading", squeeze(text), style.level)
        elif style.is_list and text:
            self._add("list-item", f"- {text}")
        else:
            self._add("paragraph", text)
        for box in content.text_boxes:
            self.read(box)
        for reference in content.notes:
            self._note(reference)

    def _note(self, reference: tuple[str, str]) -> None:
        note = self._notes.get(reference)
        if note is not None:
            text = squeeze(" ".join(ParagraphText.of(paragraph).text for paragraph in note.iter(f"{W}p")))
            self._add("note", f"({text})" if text else "")

    def _table(self, table: Any) -> None:
        rows = [list(_cells(row)) for row in table.findall(f"{W}tr")]
        if len(rows) == 1 and len(rows[0]) == 1:
            self.read(rows[0][0])
            return
        for row in rows:
            texts = [squeeze(" ".join(ParagraphText.of(p).text for p in cell.iter(f"{W}p"))) for cell in row]
            if any(texts):
                self._add("table-row", " | ".join(texts))

    def _add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        self.added |= self._builder.add(kind, text, level=level) is not None


def _cells(row: Any) -> Iterator[Any]:
    """Yield the cells of a row, those inside content controls too."""
    for child in row:
        if child.tag == f"{W}tc":
            yield child
        elif child.tag == f"{W}sdt":
            yield from child.iter(f"{W}tc")
