"""Passages: exact, whole, of one page and section, of about equal length."""

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.chunk import MAX_TOKENS, Passage, chunk, estimate_tokens
from rag.parse import ParsedDocument, parse_document
from rag.parse.builder import TextBuilder, clean
from rag.parse.contract import PDF, PLAIN, BlockKind
from tests.unit.parse.samples import DOCUMENTS

SENTENCE = "The mean of a sample is the sum of its values divided by their number, and it moves with each of them. "

DocumentParts = list[tuple[BlockKind | str, str]]


def build(parts: DocumentParts) -> ParsedDocument:
    """Build a document of blocks; `page` starts a page, `h1` to `h3` are headings."""
    has_pages = any(kind == "page" for kind, _ in parts)
    builder = TextBuilder(PDF if has_pages else PLAIN, 1_000_000)
    page = 1
    if has_pages:
        builder.begin_page(page)
    for kind, text in parts:
        if kind == "page":
            page += 1
            builder.begin_page(page)
        elif kind in ("h1", "h2", "h3"):
            builder.add("heading", clean(text), level=int(kind[1]))
        else:
            builder.add(kind, clean(text))  # type: ignore[arg-type]
    return builder.build()


def check(document: ParsedDocument, passages: list[Passage]) -> None:
    """Assert what holds for any document."""
    end = 0
    for ordinal, passage in enumerate(passages):
        assert passage.ordinal == ordinal
        assert passage.text == document.text[passage.char_start : passage.char_end]
        assert passage.text == passage.text.strip() != ""
        assert end <= passage.char_start
        assert not document.text[end : passage.char_start].strip()
        assert estimate_tokens(passage.text) <= MAX_TOKENS
        end = passage.char_end
        if document.pages:
            page = next(page for page in document.pages if page.number == passage.page)
            assert page.char_start <= passage.char_start
            assert passage.char_end <= page.char_end
        else:
            assert passage.page is None
    assert not document.text[end:].strip()


_WORDS = st.text(alphabet=st.sampled_from("abcdefg تعلم٣.؟! \n|-$"), min_size=1, max_size=900)
_PARTS = st.lists(
    st.tuples(st.sampled_from(["paragraph", "list-item", "table-row", "code", "h1", "h2", "h3", "page"]), _WORDS),
    min_size=1,
    max_size=12,
)


@given(_PARTS)
@settings(max_examples=150, deadline=None)
def test_any_document(parts: DocumentParts) -> None:
    has_text = any(kind != "page" and clean(text).strip() for kind, text in parts)
    if not has_text:
        return
    document = build(parts)
    passages = chunk(document)
    check(document, passages)
    assert passages == chunk(document)


@pytest.mark.parametrize(
    "name",
    ["cheatsheet-deep-learning-ar.pdf", "DAT229x-Lab1.pdf", "swc-shell-02-filedir.md", "openstax-stats-m79604.html",
     "owasp-asvs-3.0.1-ar-part1.docx", "cs-229-probability-ar.pptx"],
)  # fmt: skip
async def test_real_documents(name: str) -> None:
    document = await parse_document(DOCUMENTS / name, file_name=name)
    passages = chunk(document)
    check(document, passages)
    assert 80 <= median(estimate_tokens(passage.text) for passage in passages) <= 190


def test_no_passage_crosses_a_page_or_a_top_heading() -> None:
    parts: DocumentParts = [
        ("h1", "One"), ("paragraph", "Short."), ("h1", "Two"), ("paragraph", "Short too."), ("page", ""),
        ("paragraph", "On the next page."),
    ]  # fmt: skip
    passages = chunk(build(parts))
    assert [(p.page, p.heading, p.text) for p in passages] == [
        (1, "One", "One\n\nShort."),
        (1, "Two", "Two\n\nShort too."),
        (2, "Two", "On the next page."),
    ]


def test_heading_path_and_small_sections_merged_under_one_chapter() -> None:
    parts: DocumentParts = [
        ("h1", "Chapter"), ("paragraph", SENTENCE * 3), ("h2", "A"), ("h3", "A.1"), ("paragraph", SENTENCE * 5),
        ("h2", "B"), ("paragraph", "Tiny."),
    ]  # fmt: skip
    passages = chunk(build(parts))
    assert [passage.heading for passage in passages] == ["Chapter", "Chapter › A › A.1"]
    assert passages[1].text.endswith("B\n\nTiny.")


def test_long_paragraphs_are_cut_between_sentences_into_equal_parts() -> None:
    passages = chunk(build([("paragraph", SENTENCE * 30)]))
    assert len(passages) > 3
    assert all(passage.text.endswith("with each of them.") for passage in passages)
    sizes = [estimate_tokens(passage.text) for passage in passages]
    assert max(sizes) - min(sizes) < 60


def test_table_rows_and_list_items_stay_whole() -> None:
    rows: DocumentParts = [("table-row", f"row {n} | {'cell text. ' * 8}end {n}") for n in range(30)]
    passages = chunk(build(rows))
    assert len(passages) > 5
    assert all(passage.text.startswith("row ") for passage in passages)
    assert all(passage.text.split()[-2] == "end" for passage in passages)


def test_what_has_no_end_is_cut_somewhere() -> None:
    document = build([("code", "x = [" + "1234567890, " * 2000 + "]"), ("paragraph", "ب" * 5000)])
    check(document, chunk(document))


def test_each_passage_has_its_language() -> None:
    arabic = "المتوسط الحسابي هو مجموع القيم مقسوما على عددها وهو من مقاييس النزعة المركزية في علم الإحصاء. "
    document = build([("h1", "Mean"), ("paragraph", SENTENCE * 4), ("h1", "المتوسط"), ("paragraph", arabic * 4)])
    assert [passage.language for passage in chunk(document)] == ["en", "ar"]


def test_a_formula_is_in_its_documents_language() -> None:
    document = build(
        [("paragraph", SENTENCE * 6), ("h1", "Formula"), ("paragraph", "Var(X) = E[(X − E[X])²] ∑ xi f(xi) dx")]
    )
    assert [passage.language for passage in chunk(document)] == ["en", "en"]
