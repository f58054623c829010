"""Every sample that cannot be used ends with the right type, and every type has its sentences."""

from typing import get_args

import pytest

from rag.parse import FAILURE_TYPES, FailureType, ParseLimits, sentence
from tests.unit.parse.conftest import FailureOf, Parse
from tests.unit.parse.samples import make_pdf, text_at


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("r2-user-password.pdf", "encrypted"),
        ("r6-user-password.pdf", "encrypted"),
        ("testWORD_protected_passtika.docx", "encrypted"),
        ("zero-byte.pdf", "empty"),
        ("empty.txt", "empty"),
        ("empty.pdf", "empty"),
        ("truncated.pdf", "unreadable"),
        ("testWORD_truncated.docx", "unreadable"),
        ("not-a-pdf.pdf", "type-mismatch"),
        ("loremipsum-flat.pdf", "no-text"),
        ("scan-ar-deep-learning-p1.pdf", "no-text"),
    ],
)
async def test_sample_fails_with_its_type(failure_of: FailureOf, name: str, expected: str) -> None:
    assert await failure_of(name) == expected


async def test_empty_password_is_no_protection(parse: Parse) -> None:
    assert "pdf encryption test" in (await parse("r6-empty-password.pdf")).text


async def test_malformed_slides_give_what_they_have(parse: Parse) -> None:
    assert (await parse("fake-power-point-malformed.pptx")).text == "Test Slide"


async def test_file_above_the_limit_is_not_opened(failure_of: FailureOf) -> None:
    assert await failure_of("crazyones.pdf", limits=ParseLimits(file_bytes=1000)) == "too-large"


async def test_text_above_the_limit(failure_of: FailureOf) -> None:
    assert await failure_of("a.txt", b"word " * 1000, ParseLimits(text_chars=100)) == "too-large"


async def test_pdf_text_above_the_limit(failure_of: FailureOf) -> None:
    assert await failure_of("crazyones.pdf", limits=ParseLimits(text_chars=100)) == "too-large"


async def test_pages_above_the_limit(failure_of: FailureOf) -> None:
    pdf = make_pdf(*(text_at(50, 700, f"page {i}") for i in range(4)))
    assert await failure_of("a.pdf", pdf, ParseLimits(pages=3)) == "too-many-pages"


async def test_white_space_alone_is_empty(failure_of: FailureOf) -> None:
    assert await failure_of("a.txt", b" \n\t\n ") == "empty"


@pytest.mark.parametrize("type_", get_args(FailureType))
def test_each_type_has_a_sentence_in_both_languages(type_: FailureType) -> None:
    english, arabic = sentence(type_, "en"), sentence(type_, "ar")
    assert english.endswith(".")
    assert english.isascii()
    assert sum("\u0600" <= char <= "\u06ff" for char in arabic) > 20


def test_types_are_those_of_the_api() -> None:
    assert set(FAILURE_TYPES) == {
        "encrypted", "empty", "unreadable", "type-mismatch", "unsupported", "too-large", "too-many-pages", "bomb",
        "timeout", "no-text",
    }  # fmt: skip
