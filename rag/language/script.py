"""Scripts: the letters of a text counted by writing system, from code point ranges of the Unicode blocks."""

from bisect import bisect_right
from collections import Counter
from typing import Literal

Script = Literal["latin", "arabic", "cyrillic", "greek", "hebrew", "cjk", "other"]

_RANGES: tuple[tuple[int, int, Script], ...] = (
    (0x0041, 0x024F, "latin"),
    (0x0370, 0x03FF, "greek"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0590, 0x05FF, "hebrew"),
    (0x0600, 0x077F, "arabic"),
    (0x08A0, 0x08FF, "arabic"),
    (0x0E00, 0x0E7F, "cjk"),  # Thai is written without spaces too
    (0x1E00, 0x1EFF, "latin"),
    (0x3040, 0x30FF, "cjk"),
    (0x3400, 0x9FFF, "cjk"),
    (0xAC00, 0xD7AF, "other"),
    (0xFB1D, 0xFB4F, "hebrew"),
    (0xFB50, 0xFDFF, "arabic"),
    (0xFE70, 0xFEFF, "arabic"),
)
_STARTS = [start for start, _, _ in _RANGES]


def script_of(char: str) -> Script:
    """Return the script of one letter."""
    code = ord(char)
    position = bisect_right(_STARTS, code) - 1
    if position >= 0 and code <= _RANGES[position][1]:
        return _RANGES[position][2]
    return "other"


def count_letters(text: str) -> Counter[Script]:
    """Count the letters of `text` by script; digits, marks and punctuation do not count."""
    return Counter(script_of(char) for char in text if char.isalpha())
