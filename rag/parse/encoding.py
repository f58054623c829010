"""Text from bytes: byte order marks, UTF-8, UTF-16 without a mark, then the likeliest older encoding."""

import codecs
import encodings.cp1252
import encodings.cp1256
import encodings.iso8859_6
import encodings.utf_8_sig
import encodings.utf_16
import encodings.utf_32  # noqa: F401 -- in the sandbox nothing is loaded late

from charset_normalizer import from_bytes

from rag.parse.failure import ParseFailure

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = ["cp1256", "iso8859_6", "cp1252"]
_SAMPLE_BYTES = 64 * 1024
_NUL_SHARE = 0.2

for _name in _LEGACY:
    codecs.lookup(_name)
from_bytes("تحميل".encode("cp1256"), cp_isolation=_LEGACY)  # loads what the library loads on first use


def decode(data: bytes) -> str:
    """Return the text of a file.

    Raises:
        ParseFailure: `unreadable`, the bytes are text in no encoding known here.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strict(data, encoding)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _strict(data, _guess(data[:_SAMPLE_BYTES]))
    return _strict(data, _utf16_order(data)) if "\x00" in text else text


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ParseFailure("unreadable", encoding) from error


def _utf16_order(data: bytes) -> str:
    even, odd = data[0::2].count(0), data[1::2].count(0)
    if max(even, odd) < _NUL_SHARE * len(data) / 2:
        raise ParseFailure("unreadable", "zero bytes")
    return "utf-16-be" if even > odd else "utf-16-le"


def _guess(sample: bytes) -> str:
    best = from_bytes(sample, cp_isolation=_LEGACY).best()
    if best is not None:
        return best.encoding
    return "cp1252"
