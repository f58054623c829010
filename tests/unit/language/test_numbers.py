"""Numbers in one notation."""

import pytest

from rag.language import numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,250.50 or ١٬٢٥٠٫٥٠ or 1250.5", {"1250.5"}),
        ("50% and ٥٠٪", {"50"}),
        ("3,5 and 3.50", {"3.5"}),
        ("section 1.1.6", {"1.1.6"}),
        ("007 and 0", {"7", "0"}),
        ("1,000,000 in ۲۰۲۶", {"1000000", "2026"}),
        ("x² + H2O", {"2"}),
        ("The end of 2026.", {"2026"}),
        ("no numbers", set()),
    ],
)
def test_numbers(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected
