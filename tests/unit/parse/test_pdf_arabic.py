"""Arabic PDF text against gold statements: character error rate over Arabic letters and spaces."""

import json
import re
import unicodedata

import pytest

from tests.unit.parse.conftest import Parse
from tests.unit.parse.samples import GOLD

_OTHER = re.compile("[^\u0621-\u063a\u0641-\u064a\u0671-\u06d3 ]")
_PRESENT_BELOW = 0.15
_MIN_LETTERS = 8


def _letters(text: str) -> str:
    flat = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text))
    return re.sub(" +", " ", _OTHER.sub("", flat)).strip()


def _distance(statement: str, text: str) -> int:
    """Return the edits that turn the best-matching stretch of `text` into `statement` (Sellers)."""
    previous = [0] * (len(text) + 1)
    for i, wanted in enumerate(statement, start=1):
        current = [i]
        for j, found in enumerate(text, start=1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (wanted != found)))
        previous = current
    return min(previous)


def _error_rate(text: str, statements: list[str]) -> tuple[float, int]:
    """Return the error rate over the statements the document has, and how many those are."""
    letters = _letters(text)
    wanted = [s for s in map(_letters, statements) if len(s) >= _MIN_LETTERS]
    distances = [(_distance(statement, letters), len(statement)) for statement in wanted]
    present = [(edits, length) for edits, length in distances if edits <= _PRESENT_BELOW * length]
    return sum(edits for edits, _ in present) / sum(length for _, length in present), len(present)


def _gold(document: str) -> list[str]:
    rows = map(json.loads, (GOLD / "cs229_en_ar.jsonl").read_text().splitlines())
    return [row["ar"] for row in rows if row["doc"] == document]


@pytest.mark.parametrize(
    ("name", "gold", "max_rate", "min_present"),
    [
        ("cheatsheet-deep-learning-ar.pdf", "cs-229-deep-learning", 0.02, 44),
        ("refresher-probabilities-statistics-ar.pdf", "cs-229-probability", 0.02, 51),
    ],
)
async def test_course_sheet(parse: Parse, name: str, gold: str, max_rate: float, min_present: int) -> None:
    rate, present = _error_rate((await parse(name)).text, _gold(gold))
    assert present >= min_present
    assert rate <= max_rate


async def test_mixed_page(parse: Parse) -> None:
    statements = re.split(r"[.\n]", (GOLD / "right_to_left_01.md").read_text())
    rate, present = _error_rate((await parse("right_to_left_01.pdf")).text, statements)
    assert present == 12
    assert rate <= 0.01


async def test_smallest(parse: Parse) -> None:
    text = (await parse("habibi.pdf")).text
    assert "habibi" in text
    assert "حَبيبي" in text


async def test_foreign_words_stand_left_to_right_and_brackets_close(parse: Parse) -> None:
    text = (await parse("cheatsheet-deep-learning-ar.pdf")).text
    assert re.search(r"الشبكة العصبونية الاصطناعية\s*\(\s*Neural Networks\s*\)", text)


async def test_formula_lines_are_marked_unreliable(parse: Parse) -> None:
    document = await parse("refresher-probabilities-statistics-ar.pdf")
    marked = [document.text[span.char_start : span.char_end] for span in document.unreliable]
    assert any("P(" in line for line in marked)
    assert not any(line.startswith("مقدمة في الاحتمالات") for line in marked)
