"""Word and PowerPoint as their readers see them."""

from pathlib import Path

import pytest

from tests.unit.parse.conftest import FailureOf, Parse
from tests.unit.parse.samples import DOCUMENTS, make_docx, rewrite_archive

STYLES = (
    '<w:styles><w:style w:styleId="a7"><w:name w:val="heading 2"/></w:style>'
    '<w:style w:styleId="x"><w:name w:val="Mine"/><w:basedOn w:val="a7"/></w:style>'
    '<w:style w:styleId="t1"><w:name w:val="toc 1"/></w:style></w:styles>'
)


def paragraph(text: str, properties: str = "", run: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t>{text}</w:t></w:r></w:p>"


async def test_word_structure(parse: Parse) -> None:
    cell = "<w:tc>{}</w:tc>".format
    body = (
        paragraph("Contents line", '<w:pStyle w:val="t1"/>')
        + paragraph("A heading", '<w:pStyle w:val="x"/>')
        + paragraph("An item", "<w:numPr/>")
        + paragraph("Another", "<w:numPr/>")
        + f"<w:tbl><w:tr>{cell(paragraph('a'))}{cell(paragraph('b'))}</w:tr></w:tbl>"
        + "<w:p><w:r><w:t>Half is </w:t></w:r><m:oMath><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num>"
        "<m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath><w:r><w:br/><w:t>next</w:t></w:r>"
        '<w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    )
    footnotes = f'<w:footnotes><w:footnote w:id="2">{paragraph("The note")}</w:footnote></w:footnotes>'
    document = await parse("a.docx", make_docx(body, styles=STYLES, footnotes=footnotes))
    assert document.text == "A heading\n\n- An item\n- Another\n\na | b\n\nHalf is 1/2\nnext\n\n(The note)"
    assert [(h.level, h.title) for h in document.headings] == [(2, "A heading")]


@pytest.mark.parametrize(
    "hidden",
    [
        paragraph("IGNORE", run="<w:vanish/>"),
        paragraph("IGNORE", run='<w:sz w:val="2"/>'),
        paragraph("IGNORE", run='<w:color w:val="FFFFFF"/>'),
        "<w:p><w:del><w:r><w:delText>IGNORE</w:delText></w:r></w:del></w:p>",
        "<w:p><w:r><w:instrText>IGNORE</w:instrText></w:r></w:p>",
    ],
    ids=["hidden", "one-point", "white", "deleted", "field-code"],
)
async def test_word_text_nobody_sees_is_dropped(parse: Parse, hidden: str) -> None:
    comments = f'<w:comments><w:comment w:id="1">{paragraph("IGNORE")}</w:comment></w:comments>'
    body = paragraph("Seen.") + hidden
    assert (await parse("a.docx", make_docx(body, comments=comments))).text == "Seen."


async def test_word_text_box_is_read_once(parse: Parse) -> None:
    box = f"<w:txbxContent>{paragraph('In the box')}</w:txbxContent>"
    body = f"<w:p><w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    text = (await parse("a.docx", make_docx(f"{body}</mc:AlternateContent></w:r></w:p>"))).text
    assert text == "In the box"


async def test_insertions_are_accepted(parse: Parse) -> None:
    body = "<w:p><w:ins><w:r><w:t>Inserted</w:t></w:r></w:ins></w:p>"
    assert (await parse("a.docx", make_docx(body))).text == "Inserted"


async def test_english_syllabus(parse: Parse) -> None:
    document = await parse("Syllabus.docx")
    assert [heading.title for heading in document.headings][:2] == ["Course Prerequisites", "Course Outline"]
    assert "- Introduction to NoSQL Databases" in document.text
    assert document.pages == ()


async def test_arabic_standard(parse: Parse) -> None:
    document = await parse("owasp-asvs-3.0.1-ar-part1.docx")
    assert len(document.headings) > 40
    assert document.text.startswith("معيار التحقق من أمان التطبيق")
    assert len([line for line in document.text.split("\n") if " | " in line]) > 50


async def test_slides_are_pages_and_notes_stay_out(parse: Parse) -> None:
    document = await parse("cs-229-probability-ar.pptx")
    assert [page.number for page in document.pages] == list(range(1, 14))
    assert document.headings[0].title == "مراجعة للاحتمالات والإحصاء"
    assert "speaker-notes-dropped" in document.warnings
    assert "Sample space" not in document.text
    first = document.pages[0]
    assert "فضاء العينة" in document.text[first.char_start : first.char_end]


async def test_hidden_and_misplaced_shapes_of_a_slide(parse: Parse, tmp_path: Path) -> None:
    original = DOCUMENTS / "fake-power-point-malformed.pptx"
    namespaces = (
        'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    )

    def shape(text: str, names: str = "", place: str = "", run: str = "") -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="n" {names}/><p:nvPr/></p:nvSpPr><p:spPr>{place}</p:spPr>'
            f"<p:txBody><a:p><a:r><a:rPr {run}/><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    off = '<a:xfrm><a:off x="99999999" y="0"/><a:ext cx="10" cy="10"/></a:xfrm>'
    shapes = (
        shape("Seen.") + shape("IGNORE", 'hidden="1"') + shape("IGNORE", place=off) + shape("IGNORE", run='sz="100"')
    )
    slide = f"<p:sld {namespaces}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
    changed = rewrite_archive(original, tmp_path / "a.pptx", {"ppt/slides/slide1.xml": slide.encode()})
    document = await parse("a.pptx", changed.read_bytes())
    assert document.text == "Seen."
    assert document.warnings == ("hidden-text-dropped",)


async def test_slides_named_as_a_word_file(failure_of: FailureOf) -> None:
    assert await failure_of("a.docx", (DOCUMENTS / "cs-229-probability-ar.pptx").read_bytes()) == "type-mismatch"
