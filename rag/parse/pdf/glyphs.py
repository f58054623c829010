"""Characters of a PDF page with their places. Lengths in points, y grows downwards, page rotation undone."""

import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as c

_GRID = 1_000_000
_UPRIGHT_RADIANS = 0.1
_FULL_TURN = 6.2832
_BOLD_WEIGHT = 600
_PALE = 200
_FAINT_ALPHA = 64
_HYPHEN = 0x02  # what PDFium reports for a hyphen it takes for a line-end one


class Style(NamedTuple):
    """What all characters of one text object share. `doubtful`: its ink may not show on the page."""

    bold: bool
    doubtful: bool


class Glyph(NamedTuple):
    """One character; the box is as high as its font, so that letters of one line have one height."""

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

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Map a rectangle of user space; returns left, top, right, bottom."""
        x0, y0 = self.a * left + self.c * bottom + self.e, self.b * left + self.d * bottom + self.f
        x1, y1 = self.a * right + self.c * top + self.e, self.b * right + self.d * top + self.f
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


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
    rect, styles = c.FS_RECTF(), _Styles(textpage)
    for index in range(c.FPDFText_CountChars(textpage)):
        code = c.FPDFText_GetUnicode(textpage, index)
        if code in (0, 0xFFFE, 0xFFFF):
            continue
        c.FPDFText_GetLooseCharBox(textpage, index, rect)
        left, top, right, bottom = frame.box(rect.left, rect.bottom, rect.right, rect.top)
        text = "-" if code == _HYPHEN else chr(code) if code < 0xD800 or 0xE000 <= code <= 0x10FFFF else "\ufffd"
        yield Glyph(text, left, top, right, bottom, *styles.of(index))


class _Styles:
    """Angle and style by text object: asking once per object instead of once per character."""

    def __init__(self, textpage: pdfium.PdfTextPage) -> None:
        self._textpage = textpage
        self._known: dict[int, tuple[bool, Style]] = {}

    def of(self, index: int) -> tuple[bool, Style]:
        handle = c.FPDFText_GetTextObject(self._textpage, index)
        address = ctypes.addressof(handle.contents) if handle else 0
        if address not in self._known:
            self._known[address] = self._read(index, handle)
        return self._known[address]

    def _read(self, index: int, handle: c.FPDF_PAGEOBJECT) -> tuple[bool, Style]:
        angle = c.FPDFText_GetCharAngle(self._textpage, index)
        upright = angle < _UPRIGHT_RADIANS or angle > _FULL_TURN - _UPRIGHT_RADIANS
        if not handle:
            return upright, Style(bold=False, doubtful=False)
        bold = c.FPDFText_GetFontWeight(self._textpage, index) >= _BOLD_WEIGHT
        return upright, Style(bold=bold, doubtful=_is_doubtful(handle))


def _is_doubtful(handle: c.FPDF_PAGEOBJECT) -> bool:
    """Tell whether a text object is drawn pale, transparent or not at all, so that its ink must be looked for."""
    mode = c.FPDFTextObj_GetTextRenderMode(handle)
    if mode in (c.FPDF_TEXTRENDERMODE_INVISIBLE, c.FPDF_TEXTRENDERMODE_CLIP):
        return True
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not c.FPDFPageObj_GetFillColor(handle, red, green, blue, alpha):
        return False
    return alpha.value < _FAINT_ALPHA or min(red.value, green.value, blue.value) >= _PALE
