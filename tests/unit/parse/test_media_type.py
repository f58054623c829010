"""The content decides the type; the name may only agree."""

import pytest

from rag.parse import ParseFailure, detect_type
from rag.parse.contract import DOCX, HTML, MARKDOWN, PDF, PLAIN, PPTX

ZIP = b"PK\x03\x04" + b"\x00" * 26
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 100


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"%PDF-1.7\n", "Lecture 1.PDF", PDF),
        (b"\n\n junk %PDF-1.4", "lecture.pdf", PDF),
        (b"%PDF-1.7\n", "lecture", PDF),
        (ZIP + b"word/document.xml", "notes.docx", DOCX),
        (ZIP + b"ppt/presentation.xml", "deck.pptx", PPTX),
        (ZIP + b"[Content_Types].xml", "notes.docx", DOCX),
        (b"<!DOCTYPE html><p>x", "page.html", HTML),
        (b"<?xml version='1.0'?>\n<html xmlns='x'>", "page.xhtml", HTML),
        (b"<p>no doctype</p>", "page.htm", PLAIN.replace("plain", "html")),
        (b"# Title", "notes.md", MARKDOWN),
        (b"plain", "notes.txt", PLAIN),
        (b"plain", "README", PLAIN),
        ("نص".encode(), "درس.txt", PLAIN),
        ("نص".encode("cp1256"), "درس.txt", PLAIN),
        ("text".encode("utf-16"), "notes.txt", PLAIN),
        ("some text".encode("utf-16-le"), "notes.txt", PLAIN),
        (b"what a PDF starts with: %PDF-1.7", "notes.txt", PLAIN),
        (b"plain", "evil\u202efdp.txt", PLAIN),
        (b"plain", "n" * 300 + ".txt", PLAIN),
    ],
)
def test_type_of_agreeing_content_and_name(head: bytes, name: str, expected: str) -> None:
    assert detect_type(head, name) == expected


@pytest.mark.parametrize(
    ("head", "name", "failure"),
    [
        (b"", "a.pdf", "empty"),
        (b"not a pdf at all", "a.pdf", "type-mismatch"),
        (b"%PDF-1.7\n", "a.txt", "type-mismatch"),
        (b"%PDF-1.7\n", "a.exe", "type-mismatch"),
        (ZIP + b"ppt/presentation.xml", "a.docx", "type-mismatch"),
        (ZIP + b"word/document.xml", "a.pdf", "type-mismatch"),
        (b"<!DOCTYPE html>", "a.txt", "type-mismatch"),
        (b"\x89PNG\r\n\x1a\n", "a.pdf", "type-mismatch"),
        (b"\x89PNG\r\n\x1a\n", "a.png", "unsupported"),
        (b"MZ\x90\x00", "a.exe", "unsupported"),
        (b"plain text", "a.py", "unsupported"),
        (b"\x00\x01\x02\x03" * 50, "a.txt", "type-mismatch"),
        (OLE, "a.docx", "encrypted"),
        (OLE, "a.pptx", "encrypted"),
        (OLE, "a.doc", "unsupported"),
        (OLE, "a.pdf", "type-mismatch"),
    ],
)
def test_refused(head: bytes, name: str, failure: str) -> None:
    with pytest.raises(ParseFailure) as caught:
        detect_type(head, name)
    assert caught.value.type == failure
