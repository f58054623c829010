"""The encoding a page declares, where it is one that can be trusted (WHATWG, Encoding)."""

import codecs
import re

_META = re.compile(
    rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w-]+)""", re.IGNORECASE
)
_HEAD_BYTES = 4096
# The single-byte encodings of pages in use; UTF-8 and UTF-16 are recognised without being told.
_TRUSTED = ("windows-1256", "iso-8859-6", "windows-1252", "iso-8859-1", "iso-8859-15", "windows-1251", "windows-1254")
_AS_WHATWG = {"iso-8859-1": "windows-1252"}

for _name in _TRUSTED:
    codecs.lookup(_name)


def declared_encoding(data: bytes) -> str | None:
    """Return the declared single-byte encoding; None when there is none, or the bytes are valid UTF-8 anyway."""
    match = _META.search(data[:_HEAD_BYTES])
    if not match:
        return None
    name = (match.group(1) or match.group(2)).decode("ascii").lower()
    name = {"cp1256": "windows-1256", "cp1252": "windows-1252"}.get(name, name)
    if name not in _TRUSTED or _is_utf8(data):
        return None
    return _AS_WHATWG.get(name, name)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not data.isascii()
