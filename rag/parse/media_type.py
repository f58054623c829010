"""Type of a file by its content, checked against its name. The content decides; the name may only agree."""

import re
from pathlib import PurePosixPath

from rag.parse.contract import DOCX, HTML, MARKDOWN, PDF, PLAIN, PPTX, MediaType
from rag.parse.failure import ParseFailure

HEAD_BYTES = 64 * 1024
_PDF_HEADER_WITHIN = 1024  # PDF 32000-1 Annex H.3.4.1
_BY_SUFFIX: dict[str, MediaType] = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".docm": DOCX,
    ".pptx": PPTX,
    ".pptm": PPTX,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".rmd": MARKDOWN,
    ".qmd": MARKDOWN,
    ".txt": PLAIN,
    ".text": PLAIN,
    "": PLAIN,
}
_TEXTUAL = (HTML, MARKDOWN, PLAIN)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHER_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"RIFF", b"\x7fELF", b"MZ", b"{\\rtf", b"%!PS",
    b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"ID3", b"OggS", b"\x00\x00\x00\x18ftyp", b"SQLite format 3",
)  # fmt: skip
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL
)
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")
_UTF16_NUL_SHARE = 0.2
_CONTROL_SHARE = 0.02


def detect_type(head: bytes, file_name: str) -> MediaType:
    """Return the media type of a file from its first `HEAD_BYTES` and its name.

    Raises:
        ParseFailure: `empty`, `encrypted` (a password container), `type-mismatch` or `unsupported`.
    """
    if not head:
        raise ParseFailure("empty")
    suffix = PurePosixPath(file_name).suffix.lower()
    named = _BY_SUFFIX.get(suffix)
    content = _by_content(head, named)
    if named is None:
        raise ParseFailure("unsupported" if content in (None, PLAIN) else "type-mismatch")
    if content is None:
        raise ParseFailure("type-mismatch" if suffix else "unsupported")
    if suffix and not _agree(content, named):
        raise ParseFailure("type-mismatch")
    return named if content == PLAIN else content


def _by_content(head: bytes, named: MediaType | None) -> MediaType | None:
    """Return what the bytes are, `PLAIN` for any text, None for anything that is not read here."""
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN] and (named == PDF or head.lstrip()[:5] == b"%PDF-"):
        return PDF
    if head.startswith(_ZIP):
        return _in_archive(head, named)
    if head.startswith(_OLE):
        if named in (DOCX, PPTX):
            raise ParseFailure("encrypted")
        return None
    if head.startswith(_OTHER_MAGIC) or not _is_text(head):
        return None
    return HTML if _HTML_START.match(head.lstrip(b"\xef\xbb\xbf")) else PLAIN


def _in_archive(head: bytes, named: MediaType | None) -> MediaType | None:
    """Tell Word from PowerPoint by the first member names; an archive whose names come later is taken at its word."""
    word, slides = b"word/" in head, b"ppt/" in head
    if word != slides:
        return DOCX if word else PPTX
    return named if named in (DOCX, PPTX) else None


def _agree(content: MediaType, named: MediaType) -> bool:
    return content == named or (content == PLAIN and named in _TEXTUAL)


def _is_text(head: bytes) -> bool:
    if head.startswith(_BOMS):
        return True
    printed = head.replace(b"\x00", b"")
    if sum(byte in _CONTROL for byte in printed) > _CONTROL_SHARE * len(printed):
        return False
    if len(printed) == len(head):
        return True
    # UTF-16 without a mark: every other byte of Latin text is zero, always at the same parity.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    return min(even, odd) == 0 and even + odd > _UTF16_NUL_SHARE * len(head)
