"""Text nobody can see: off the page, too small to read, or without ink of its own where it stands."""

from collections.abc import Sequence

import pypdfium2 as pdfium
import pypdfium2.raw as c

from rag.parse.pdf.glyphs import Frame
from rag.parse.pdf.words import Word, is_tiny

_SCALE = 2.0
_MAX_PIXELS = 8_000_000
_MIN_CONTRAST = 24
_INNER = 0.2


def visible_words(page: pdfium.PdfPage, frame: Frame, words: Sequence[Word]) -> list[Word]:
    """Return the words a reader of the page sees. The page is drawn only if a word is pale or not painted."""
    candidates = [word for word in words if not is_tiny(word) and _is_on(frame, word)]
    if not any(word.doubtful for word in candidates):
        return candidates
    picture = _Picture(page, frame)
    return [word for word in candidates if not word.doubtful or picture.has_ink(word)]


def _is_on(frame: Frame, word: Word) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return 0 <= x <= frame.width and 0 <= y <= frame.height


class _Picture:
    def __init__(self, page: pdfium.PdfPage, frame: Frame) -> None:
        pixels = frame.width * frame.height * _SCALE**2
        self._scale = _SCALE * min(1.0, (_MAX_PIXELS / max(pixels, 1.0)) ** 0.5)
        bitmap = page.render(scale=self._scale, grayscale=True, force_bitmap_format=c.FPDFBitmap_Gray)
        self._rows = memoryview(bytes(bitmap.buffer))
        self._stride, self._width, self._height = bitmap.stride, bitmap.width, bitmap.height
        bitmap.close()

    def has_ink(self, word: Word) -> bool:
        """Tell whether light and dark meet inside the word's box, its margins left to the neighbours."""
        margin = _INNER * word.height
        left, right = self._clamp(word.left, self._width), self._clamp(word.right, self._width)
        top, bottom = self._clamp(word.top + margin, self._height), self._clamp(word.bottom - margin, self._height)
        rows = [self._rows[y * self._stride + left : y * self._stride + right + 1] for y in range(top, bottom + 1)]
        return max(max(row) for row in rows) - min(min(row) for row in rows) >= _MIN_CONTRAST

    def _clamp(self, points: float, pixels: int) -> int:
        return min(max(int(points * self._scale), 0), pixels - 1)
