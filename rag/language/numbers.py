"""The numbers a text states, in one notation, so that an answer's figures can be checked against a passage."""

import re
import unicodedata

from rag.language.normalise import ascii_digits

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
_SEPARATORS = str.maketrans({"٫": ".", "٬": ",", "\u066a": "%"})


def numbers(text: str) -> set[str]:
    """Return the numbers in `text`: ASCII digits, point as decimal mark, no thousands marks, no idle zeros.

    `١٬٢٥٠٫٥٠`, `1,250.50` and `1250.5` are one number; `1.1.6` (a section) stays as written.
    """
    flat = ascii_digits(unicodedata.normalize("NFKC", text).translate(_SEPARATORS))
    return {_canonical(match.group()) for match in _NUMBER.finditer(flat)}


def _canonical(digits: str) -> str:
    if _THOUSANDS.match(digits):
        digits = digits.replace(",", "")
    elif digits.count(",") == 1 and "." not in digits:
        digits = digits.replace(",", ".")
    if digits.count(".") > 1 or "," in digits:
        return digits
    whole, point, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if point and fraction else "")
