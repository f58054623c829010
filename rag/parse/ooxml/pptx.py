"""PowerPoint: each slide is a page; titles, text, tables and diagrams as shown. Speaker notes and hidden slides stay out."""

from collections.abc import Iterator
from typing import IO, Any

from rag.parse.builder import TextBuilder, squeeze
from rag.parse.contract import PPTX, ParsedDocument, ParseLimits
from rag.parse.failure import ParseFailure
from rag.parse.ooxml.archive import open_archive
from rag.parse.ooxml.package import Package
from rag.parse.ooxml.slide_shapes import A, P, SlideSize, is_title, paragraphs, shapes, table_rows

_R_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def parse(source: IO[bytes], limits: ParseLimits) -> ParsedDocument:
    """Extract the text of a slide deck; pages are slides, counted from 1, hidden ones included in the count.

    Raises:
        ParseFailure: `unreadable`, `encrypted`, `bomb`, `type-mismatch`, `too-large`, `too-many-pages`, `empty` or
            `no-text` (pictures only).
    """
    package = Package(open_archive(source, limits), limits)
    name, root = package.main_part("presentationml")
    slides = list(_slide_parts(package, name, root))
    if len(slides) > limits.pages:
        raise ParseFailure("too-many-pages")
    builder = TextBuilder(PPTX, limits.text_chars)
    size = SlideSize.of(root)
    added = has_pictures = False
    for number, part in enumerate(slides, start=1):
        builder.begin_page(number)
        slide = package.xml(part)
        if slide is None:
            continue
        has_pictures |= next(slide.iter(f"{A}blip"), None) is not None
        added |= _add_slide(builder, package, part, slide, size)
    if not added:
        raise ParseFailure("no-text" if has_pictures else "empty")
    return builder.build()


def _slide_parts(package: Package, name: str, root: Any) -> Iterator[str]:
    relations = package.relations(name)
    for slide in root.iter(f"{P}sldId"):
        kind, part = relations.get(slide.get(_R_ID, ""), ("", ""))
        if kind == "slide":
            yield part


def _add_slide(builder: TextBuilder, package: Package, part: str, slide: Any, size: SlideSize) -> bool:
    if slide.get("show") in ("0", "false"):
        builder.warn("hidden-text-dropped")
        return False
    if any(squeeze(_body_of_notes(notes)) for _, notes in package.related(part, "notesSlide")):
        builder.warn("speaker-notes-dropped")
    found = list(shapes(slide, size))
    if any(not shape.visible for shape in found):
        builder.warn("hidden-text-dropped")
    seen = sorted((shape.element for shape in found if shape.visible), key=lambda element: not is_title(element))
    added = False
    for element in seen:
        added |= _add_shape(builder, element)
    for _, diagram in package.related(part, "diagramData"):
        for text in filter(None, (squeeze("".join(p.itertext())) for p in diagram.iter(f"{A}p"))):
            added |= builder.add("list-item", f"- {text}") is not None
    return added


def _add_shape(builder: TextBuilder, element: Any) -> bool:
    if element.tag == f"{P}graphicFrame":
        rows = [builder.add("table-row", " | ".join(row)) for row in table_rows(element)]
        return any(row is not None for row in rows)
    if is_title(element):
        title = squeeze(" ".join(text for _, text in paragraphs(element)))
        return builder.add("heading", title, level=1) is not None
    added = [
        builder.add("list-item" if is_item else "paragraph", f"- {text}" if is_item else text)
        for is_item, text in paragraphs(element)
    ]
    return any(start is not None for start in added)


def _body_of_notes(notes: Any) -> str:
    """Return the speaker's own words on a notes page: its body placeholder."""
    bodies = [sp for sp in notes.iter(f"{P}sp") if any(ph.get("type") == "body" for ph in sp.iter(f"{P}ph"))]
    return " ".join("".join(t.text or "" for t in body.iter(f"{A}t")) for body in bodies)
