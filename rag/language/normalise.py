"""One spelling for the index: what a reader takes for the same word is the same string. Never shown to anyone."""

import re
import unicodedata

_DROPPED = re.compile(
    "[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"  # Arabic vowel and Quranic marks
    "\u0640"  # tatweel
    "\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"  # soft hyphen, zero width, direction
)
_WRAPPED_HYPHEN = re.compile(r"(?<=[^\W\d_])-\n(?=[^\W\d_])")
_UNIFIED = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
        "’": "'",
        "‘": "'",
    }
)


def ascii_digits(text: str) -> str:
    """Write every decimal digit of `text` (Arabic-Indic, Persian, Devanagari, ...) as ASCII. Length is kept."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def normalise(text: str) -> str:
    """Return `text` for comparison: NFKC, case folded, without Arabic marks and tatweel, alef/ya/ta marbuta unified.

    Offsets into the result mean nothing in `text`.
    """
    joined = _WRAPPED_HYPHEN.sub("", text)
    if joined.isascii():
        return joined.lower()
    folded = unicodedata.normalize("NFKC", joined).casefold()
    return ascii_digits(_DROPPED.sub("", folded).translate(_UNIFIED))
