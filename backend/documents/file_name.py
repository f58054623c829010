"""What is left of a file name that a stranger chose."""

import unicodedata
from pathlib import PurePosixPath

MAX_CHARACTERS = 200
MAX_SUFFIX_CHARACTERS = 16
UNNAMED = "document"
_JOINERS = "\u200c\u200d"  # part of how Persian and Indic names are written


def safe_file_name(name: str) -> str:
    """Return the last part of a path without control and direction characters, at most 200 characters, never empty.

    The suffix is kept when the name is cut, for it says what the file claims to be.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(c for c in last if c in _JOINERS or not unicodedata.category(c).startswith("C"))
    shown = " ".join(shown.split()).strip(". ") if shown.strip(". ") else ""
    if not shown:
        return UNNAMED
    if len(shown) <= MAX_CHARACTERS:
        return shown
    suffix = PurePosixPath(shown).suffix
    suffix = suffix if len(suffix) <= MAX_SUFFIX_CHARACTERS else ""
    return shown[: MAX_CHARACTERS - len(suffix)].rstrip() + suffix


def title_of(file_name: str) -> str:
    """Return what a document is called whose uploader said nothing: the name without its suffix."""
    return PurePosixPath(file_name).stem or file_name
