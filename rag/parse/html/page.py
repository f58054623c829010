"""HTML: the main content a reader sees; chrome, scripts, hidden parts and solutions stay out."""

from collections.abc import Iterator
from typing import IO, Any

from lxml import etree, html

from rag.parse.builder import TextBuilder, squeeze
from rag.parse.contract import HTML, ParsedDocument, ParseLimits
from rag.parse.encoding import decode
from rag.parse.failure import ParseFailure
from rag.parse.html.blocks import HtmlText, parser
from rag.parse.html.declared import declared_encoding
from rag.parse.html.remark import deck_of
from rag.parse.html.visible import is_chrome
from rag.parse.markdown import parse_text

_MAIN_PATHS = ("//main", "//*[@role='main']", "//article")


def parse(source: IO[bytes], limits: ParseLimits) -> ParsedDocument:
    """Extract the text of an HTML page; of a remark.js deck, the Markdown it carries.

    Raises:
        ParseFailure: `empty`, `unreadable`, `too-large` or `no-text` (only pictures or scripts).
    """
    data = source.read()
    encoding = declared_encoding(data)
    text = data.decode(encoding, errors="replace") if encoding else decode(data)
    if not text.strip():
        raise ParseFailure("empty")
    try:
        root = html.document_fromstring(_without_declaration(text), parser=parser())
    except etree.LxmlError as error:
        raise ParseFailure("unreadable", "lxml") from error
    deck = deck_of(root)
    if deck is not None:
        return parse_text(deck, limits, HTML)
    return _extract(root, limits)


def _extract(root: Any, limits: ParseLimits) -> ParsedDocument:
    builder = TextBuilder(HTML, limits.text_chars)
    title = squeeze(root.findtext(".//title") or "")
    if title and root.find(".//h1") is None:
        builder.add("heading", title, level=1)
    main = _main_content(root)
    blocks = HtmlText(builder, leave_out=is_chrome if main is None else None)
    for part in [root] if main is None else main:
        blocks.add_tree(part)
    if not blocks.added:
        raise ParseFailure("no-text")
    return builder.build()


def _main_content(root: Any) -> list[Any] | None:
    """Return the elements that declare themselves the content, outermost only, None if the page has none."""
    for path in _MAIN_PATHS:
        found = root.xpath(path)
        if found and any(part.text_content().strip() for part in found):
            return list(_outermost(found))
    return None


def _outermost(elements: list[Any]) -> Iterator[Any]:
    inside = set(elements)
    for element in elements:
        if not any(ancestor in inside for ancestor in element.iterancestors()):
            yield element


def _without_declaration(text: str) -> str:
    """Drop `<?xml ... ?>`: lxml refuses one that names an encoding in text already decoded."""
    stripped = text.lstrip("\ufeff \t\r\n")
    return stripped.partition("?>")[2] if stripped.startswith("<?xml") else stripped
