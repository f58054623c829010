"""Sentences against golden files, and what must hold for any text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language import sentences

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("language", ["en", "ar"])
def test_golden(language: str) -> None:
    """`<language>.txt` holds a text; `<language>.sentences.txt` one sentence a line, line ends inside as ⏎."""
    text = (GOLDEN / f"{language}.txt").read_text()
    expected = (GOLDEN / f"{language}.sentences.txt").read_text().splitlines()
    assert [text[span.start : span.end].replace("\n", "⏎") for span in sentences(text, language)] == expected


def test_a_heading_alone_is_all_there_is() -> None:
    assert sentences("Chapter One", "en") == [(0, 11)]


def test_very_long_sentence_is_cut_at_its_semicolons() -> None:
    clause = "كل حدث من أحداث فضاء العينة له احتمال يقع بين الصفر والواحد " * 4
    text = f"{clause}؛ {clause}."
    assert len(sentences(text, "ar")) == 2


_TEXTS = st.text(alphabet=st.sampled_from('abZ .!?؟؛،د\n-1٣()"»•|ه؟ '), max_size=200) | st.text(max_size=200)


@given(_TEXTS, st.sampled_from(["en", "ar", "und"]))
def test_spans_are_ordered_trimmed_and_inside(text: str, language: str) -> None:
    end = 0
    for span in sentences(text, language):
        assert end <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        end = span.end


@given(st.lists(st.sampled_from(["The mean is 3.5.", "Is it right?", "هل هذا صحيح؟", "Yes!"]), min_size=1, max_size=8))
def test_clear_sentences_are_found_again(parts: list[str]) -> None:
    text = " ".join(parts)
    assert [text[span.start : span.end] for span in sentences(text, "en")] == parts
