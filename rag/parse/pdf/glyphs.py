"""Characters of a PDF page with their places. Lengths in points, y grows downwards, page rotation undone."""

import ctypes
import math
from collections.abc import Iterator
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as c

_GRID = 1_000_000
_ASCENT, _DESCENT = 0.9, 0.3
_UPRIGHT = 10.0  # at least so much forward per step sideways
_BOLD_WEIGHT = 600
_PALE = 200
_FAINT_ALPHA = 64
_UNPAINTED = (c.FPDF_TEXTRENDERMODE_INVISIBLE, c.FPDF_TEXTRENDERMODE_CLIP)
_NO_CHARACTER = frozenset({0, 0xFFFE, 0xFFFF})
_HYPHEN = 0x02  # what PDFium reports for a hyphen it takes for a line-end one


class Style(NamedTuple):
    """What all characters of one text object share. `size` in points; `doubtful`: its ink may not show on the page."""

    size: float
    bold: bool
    doubtful: bool


class Glyph(NamedTuple):
    """One character. Its box reaches from ascent to descent of a usual font of its size, whatever the font claims, so
    that letters of one line have one height.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    upright: bool
    style: Style


class Frame(NamedTuple):
    """The visible page: its size in points and the affine map of PDF user space onto it."""

    width: float
    height: float
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of user space."""
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def direction(self, x: float, y: float) -> tuple[float, float]:
        """Map a direction of user space."""
        return self.a * x + self.c * y, self.b * x + self.d * y


def frame_of(page: pdfium.PdfPage) -> Frame:
    """Return the frame of a page from what PDFium itself would draw (crop box and rotation included)."""
    width, height = page.get_size()
    x, y = ctypes.c_int(), ctypes.c_int()

    def device(user_x: float, user_y: float) -> tuple[float, float]:
        c.FPDF_PageToDevice(page, 0, 0, _GRID, _GRID, 0, user_x, user_y, x, y)
        return x.value * width / _GRID, y.value * height / _GRID

    span = max(width, height, 1.0)
    e, f = device(0, 0)
    ax, ay = device(span, 0)
    cx, cy = device(0, span)
    return Frame(width, height, (ax - e) / span, (ay - f) / span, (cx - e) / span, (cy - f) / span, e, f)


def read_glyphs(textpage: pdfium.PdfTextPage, frame: Frame) -> Iterator[Glyph]:
    """Yield the characters of a page in PDFium's order; white space included, with boxes of no size."""
    raw, styles = textpage.raw, _Styles(textpage, frame)
    box, x, y = c.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    for index in range(c.FPDFText_CountChars(raw)):
        code = c.FPDFText_GetUnicode(raw, index)
        if code in _NO_CHARACTER or (not 0x20 <= code < 0x7F and c.FPDFText_HasUnicodeMapError(raw, index) == 1):
            continue  # a glyph that the font gives no meaning: what PDFium reports is its number
        c.FPDFText_GetLooseCharBox(raw, index, box)
        c.FPDFText_GetCharOrigin(raw, index, x, y)
        x0, _ = frame.point(box.left, box.bottom)
        x1, _ = frame.point(box.right, box.top)
        _, baseline = frame.point(x.value, y.value)
        upright, style = styles.of(index)
        top, bottom = baseline - _ASCENT * style.size, baseline + _DESCENT * style.size
        yield Glyph(_character(code), min(x0, x1), top, max(x0, x1), bottom, upright, style)


def _character(code: int) -> str:
    if code == _HYPHEN:
        return "-"
    return chr(code) if code < 0xD800 or 0xE000 <= code <= 0x10FFFF else "\ufffd"


class _Styles:
    """Direction and style by text object: asking once per object instead of once per character."""

    def __init__(self, textpage: pdfium.PdfTextPage, frame: Frame) -> None:
        self._raw = textpage.raw
        self._frame = frame
        self._known: dict[int, tuple[bool, Style]] = {0: (True, Style(size=0.0, bold=False, doubtful=False))}
        self._matrix = c.FS_MATRIX()
        self._color = [ctypes.c_uint() for _ in range(4)]

    def of(self, index: int) -> tuple[bool, Style]:
        """Return whether a character stands upright on the page, and its style."""
        handle = c.FPDFText_GetTextObject(self._raw, index)
        address = ctypes.addressof(handle.contents) if handle else 0
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = self._read(index, handle)
        return known

    def _read(self, index: int, handle: c.FPDF_PAGEOBJECT) -> tuple[bool, Style]:
        matrix = self._matrix
        c.FPDFText_GetMatrix(self._raw, index, matrix)
        forward, sideways = self._frame.direction(matrix.a, matrix.b)
        size = c.FPDFText_GetFontSize(self._raw, index) * math.hypot(matrix.c, matrix.d)
        bold = c.FPDFText_GetFontWeight(self._raw, index) >= _BOLD_WEIGHT
        return forward > abs(sideways) * _UPRIGHT, Style(size, bold, self._is_doubtful(handle))

    def _is_doubtful(self, handle: c.FPDF_PAGEOBJECT) -> bool:
        """Tell whether a text object is drawn pale, transparent or not at all, so that its ink must be looked for."""
        if c.FPDFTextObj_GetTextRenderMode(handle) in _UNPAINTED:
            return True
        if not c.FPDFPageObj_GetFillColor(handle, *self._color):
            return False
        red, green, blue, alpha = (part.value for part in self._color)
        return alpha < _FAINT_ALPHA or min(red, green, blue) >= _PALE
