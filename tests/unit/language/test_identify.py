"""The statistics in their compact form say what the library's own say."""

import json

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from rag.language.identify import LetterStatistics
from tests.stack import ROOT

LANGUAGES = ("en", "fr", "de", "ar", "fa", "ur", "ru", "uk", "zh", "ja")


@pytest.fixture(scope="module")
def original() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(LANGUAGES)
    return identifier


def _texts() -> list[str]:
    lines = (ROOT / "tests/data/gold/cs229_en_ar.jsonl").read_text().splitlines()
    pairs = [json.loads(line) for line in lines]
    others = [
        "le chat est noir",
        "Das ist ein Satz.",
        "چه خبر است",
        "یہ کیا ہے",
        "Что это такое",
        "日本語のテスト",
        "中文",
        "x",
        "§",
    ]
    return [text for pair in pairs for text in (pair["en"], pair["ar"])] + others


def test_it_ranks_as_the_library_does(original: LanguageIdentifier) -> None:
    statistics = LetterStatistics(LANGUAGES)
    for text in _texts():
        expected = original.rank(text)
        found = statistics.rank(text, LANGUAGES)
        assert [language for language, _ in found] == [language for language, _ in expected], text
        assert dict(found) == pytest.approx(dict(expected), rel=1e-4), text


def test_only_candidates_are_ranked() -> None:
    ranked = LetterStatistics(LANGUAGES).rank("Das ist ein Satz.", ("en", "de"))
    assert [language for language, _ in ranked] == ["de", "en"]
