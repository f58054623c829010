"""Where the sample documents are, and documents made on the spot."""

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"
DOCUMENTS = DATA / "documents"
GOLD = DATA / "gold"

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def make_pdf(*pages: str, size: tuple[int, int] = (595, 842), rotate: int = 0) -> bytes:
    """Return a PDF whose pages have the given content streams; `/F1` is Helvetica."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        _FONT,
    ]
    for i, content in enumerate(pages):
        stream = content.encode("latin-1")
        box = f"/MediaBox [0 0 {size[0]} {size[1]}] /Rotate {rotate}"
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} {resources} /Contents {5 + 2 * i} 0 R >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))
    return pdf_file(objects)


def pdf_file(objects: Iterable[bytes]) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is the catalogue."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(offsets) + 1, start)
    return bytes(out)


def text_at(x: float, y: float, text: str, size: float = 12, extra: str = "0 g") -> str:
    """Return PDF operators that print one line of text."""
    return f"q {extra} BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET Q\n"


def lines_at(x: float, y: float, lines: Iterable[str], size: float = 12, leading: float = 15) -> str:
    """Return PDF operators that print lines below each other."""
    return "".join(text_at(x, y - i * leading, line, size) for i, line in enumerate(lines))


def rewrite_archive(
    original: Path, target: Path, changes: dict[str, bytes], renamed: dict[str, str] | None = None
) -> Path:
    """Write a copy of an archive with members replaced, added or renamed."""
    with zipfile.ZipFile(original) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for info in source.infolist():
            if info.filename not in changes:
                copy.writestr((renamed or {}).get(info.filename, info.filename), source.read(info))
        for name, data in changes.items():
            copy.writestr(name, data)
    return target


def make_docx(body: str, **parts: str) -> bytes:
    """Return a Word file with this content of `w:body`; `parts` are further XML members, `__` standing for `/`."""
    namespaces = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    )
    kinds = ("styles", "footnotes", "comments")
    relations = "".join(
        f'<Relationship Id="{kind}" Target="{kind}.xml" '
        f'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"/>'
        for kind in kinds
    )
    members = {
        "_rels/.rels": _relationships(
            '<Relationship Id="r1" Target="word/document.xml" '
            'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>'
        ),
        "word/_rels/document.xml.rels": _relationships(relations),
        "word/document.xml": f"<w:document {namespaces}><w:body>{body}</w:body></w:document>",
        **{
            f"word/{kind}.xml": xml.replace("<w:", "<w:", 1).replace(">", f" {namespaces}>", 1)
            for kind, xml in parts.items()
        },
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in members.items():
            archive.writestr(name, xml)
    return out.getvalue()


def _relationships(content: str) -> str:
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{content}</Relationships>'
    )
