"""Files made to do harm: each ends with the right type, soon, and costs the parent next to nothing."""

import io
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from rag.parse import ParseFailure, ParseLimits, parse_document
from tests.unit.parse.conftest import FailureOf
from tests.unit.parse.samples import DOCUMENTS, make_docx, make_pdf, pdf_file, rewrite_archive, text_at

MIB = 1 << 20
GIB = 1 << 30
MAX_SECONDS = 15
MAX_PARENT_GROWTH_KB = 48 * 1024

DOCX = DOCUMENTS / "Syllabus.docx"
PPTX = DOCUMENTS / "cs-229-probability-ar.pptx"


async def failure_type(path: Path, name: str) -> str:
    """Parse a hostile file with the default limits, watching the clock and the memory of this process."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ParseFailure) as caught:
        await parse_document(path, file_name=name, limits=ParseLimits())
    assert time.monotonic() - started < MAX_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_PARENT_GROWTH_KB
    return caught.value.type


def _append_stream(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> None:
    with archive.open(name, "w", force_zip64=True) as member:
        for chunk in chunks:
            member.write(chunk)


@pytest.mark.parametrize("original", [DOCX, PPTX], ids=["docx", "pptx"])
async def test_two_gibibytes_of_zeros(tmp_path: Path, original: Path) -> None:
    path = tmp_path / original.name
    path.write_bytes(original.read_bytes())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _append_stream(archive, "word/media/x.bin", (bytes(MIB) for _ in range(2048)))
    assert path.stat().st_size < 16 * MIB
    assert await failure_type(path, original.name) == "bomb"


@pytest.mark.long
async def test_two_gibibytes_of_one_letter_in_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    head, tail = b"<w:document xmlns:w='w'><w:body><w:p><w:r><w:t>", b"</w:t></w:r></w:p></w:body></w:document>"
    with zipfile.ZipFile(DOCX) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for info in source.infolist():
            if info.filename != "word/document.xml":
                archive.writestr(info.filename, source.read(info))
        _append_stream(archive, "word/document.xml", (head, *(b"a" * MIB for _ in range(2048)), tail))
    assert await failure_type(path, "a.docx") == "bomb"


async def test_hundred_thousand_members(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(DOCX.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(100_000):
            archive.writestr(f"word/{number}", b"")
    assert await failure_type(path, "a.docx") == "bomb"


async def test_member_that_lies_about_its_size(tmp_path: Path) -> None:
    """The member unpacks to 64 MiB, both headers say 1,000 bytes."""
    name, size = b"word/lie.bin", 64 * MIB
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(DOCX) as source:
            for info in source.infolist():
                archive.writestr(info.filename, source.read(info))
        archive.writestr(name.decode(), bytes(size))
    data = path.read_bytes()
    assert data.count(struct.pack("<I", size)) == 2
    path.write_bytes(data.replace(struct.pack("<I", size), struct.pack("<I", 1000)))
    assert await failure_type(path, "a.docx") == "bomb"


async def test_archive_inside(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(MIB))
    path = rewrite_archive(DOCX, tmp_path / "a.docx", {"word/media/inner.zip": inner.getvalue()})
    assert await failure_type(path, "a.docx") == "bomb"


async def test_sheet_behind_a_chart_is_no_bomb(tmp_path: Path) -> None:
    path = rewrite_archive(PPTX, tmp_path / "a.pptx", {"ppt/embeddings/sheet.xlsx": b"PK"})
    assert (await parse_document(path, file_name="a.pptx")).pages


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/x", "word\\..\\x"])
async def test_path_out_of_the_archive(tmp_path: Path, name: str) -> None:
    path = rewrite_archive(DOCX, tmp_path / "a.docx", {name: b"x"})
    assert await failure_type(path, "a.docx") == "unreadable"


def _with_document(dtd: str, text: str) -> Callable[[], bytes]:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    xml = (
        f'<?xml version="1.0"?>{dtd}<w:document xmlns:w="{namespace}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p>'
        "</w:body></w:document>"
    )
    return xml.encode


LAUGHS = (
    "<!DOCTYPE l [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)) + "]>"
)


@pytest.mark.parametrize(
    ("document", "encoding"),
    [
        (_with_document(LAUGHS, "&a11;"), "utf-8"),
        (_with_document("<!DOCTYPE l [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", "&x;"), "utf-8"),
        (_with_document("<!DOCTYPE l SYSTEM 'http://127.0.0.1/x.dtd'>", "x"), "utf-8"),
        (_with_document(LAUGHS, "&a11;"), "utf-16"),
        (_with_document(f"<!--{'x' * 10_000}-->{LAUGHS}", "&a11;"), "utf-8"),
    ],
    ids=["billion-laughs", "external-entity", "external-dtd", "utf-16", "late-doctype"],
)
async def test_document_type_definitions_are_refused(
    tmp_path: Path, document: Callable[[], bytes], encoding: str
) -> None:
    xml = document().decode().replace('version="1.0"', f'version="1.0" encoding="{encoding}"').encode(encoding)
    path = rewrite_archive(DOCX, tmp_path / "a.docx", {"word/document.xml": xml})
    assert await failure_type(path, "a.docx") == "bomb"


async def test_external_relationships_are_not_followed(tmp_path: Path) -> None:
    body = "<w:p><w:r><w:t>Seen.</w:t></w:r></w:p>"
    path = tmp_path / "a.docx"
    path.write_bytes(make_docx(body))
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="styles" '
        'TargetMode="External" Target="file:///etc/passwd" Type="http://x/styles"/></Relationships>'
    )
    changed = rewrite_archive(path, tmp_path / "b.docx", {"word/_rels/document.xml.rels": relations.encode()})
    assert (await parse_document(changed, file_name="b.docx")).text == "Seen."


async def test_flate_bomb_in_a_pdf(tmp_path: Path) -> None:
    """One page whose content unpacks, through two filters, to 2 GiB."""
    compressor = zlib.compressobj(1)
    once = b"".join(compressor.compress(b" " * MIB) for _ in range(2048)) + compressor.flush()
    twice = zlib.compress(once, 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R >>",
        b"<< /Filter [/FlateDecode /FlateDecode] /Length %d >>\nstream\n%b\nendstream" % (len(twice), twice),
    ]
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_file(objects))
    assert path.stat().st_size < MIB
    assert await failure_type(path, "a.pdf") == "bomb"


async def test_page_tree_that_bites_its_tail(tmp_path: Path) -> None:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 3 /Kids [3 0 R 2 0 R 3 0 R] /Parent 3 0 R >>",
        b"<< /Type /Pages /Count 3 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>",
    ]
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_file(objects))
    assert await failure_type(path, "a.pdf") in ("unreadable", "empty")


async def test_hundred_thousand_pages(tmp_path: Path) -> None:
    kids = b"3 0 R " * 100_000
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 100000 /Kids [%b] >>" % kids,
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>",
    ]
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_file(objects))
    assert await failure_type(path, "a.pdf") == "too-many-pages"


async def test_claim_of_two_billion_pages(tmp_path: Path) -> None:
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 2147483647 /Kids [] >>"]
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_file(objects))
    assert await failure_type(path, "a.pdf") in ("too-many-pages", "unreadable", "empty")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.md", b"> " * 200_000 + b"x"),
        ("a.md", b"- " * 200_000 + b"x"),
        ("a.md", b"[" * 100_000 + b"x"),
        ("a.md", b"*" * 100_000 + b"x"),
        ("a.md", b"$" * 100_000 + b"x"),
        ("a.html", b"<html>" + b"<div>" * 20_000 + b"deep" + b"</div>" * 20_000 + b"<p>after</p></html>"),
        ("a.html", b"<html><ol>" + b"<li>x" * 20_000),
        ("a.txt", b"x" * 3_000_000),
        ("a.txt", b"- \n" * 300_000),
    ],
    ids=["quotes", "lists", "brackets", "stars", "dollars", "elements", "items", "one-word", "bullets"],
)
async def test_depth_and_length_end_soon(outcome_of: FailureOf, name: str, data: bytes) -> None:
    started = time.monotonic()
    assert await outcome_of(name, data) in ("text", "unreadable", "timeout", "bomb", "no-text", "empty")
    assert time.monotonic() - started < MAX_SECONDS


@pytest.mark.parametrize("name", ["a\x00.pdf", "\u202efdp.pdf", "n" * 300 + ".pdf", "../../etc/passwd.pdf"])
async def test_hostile_file_names_are_only_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(make_pdf(text_at(40, 700, "Seen.")))
    assert (await parse_document(path, file_name=name)).text == "Seen."


@pytest.mark.parametrize("name", ["crazyones.pdf", "Syllabus.docx", "cs-229-probability-ar.pptx"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
async def test_cut_files_fail_or_give_text_but_never_crash(outcome_of: FailureOf, name: str, share: float) -> None:
    data = (DOCUMENTS / name).read_bytes()
    assert await outcome_of(name, data[: int(share * len(data))]) in ("text", "unreadable", "empty", "no-text")
