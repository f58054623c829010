"""A page as a picture, for the panel that shows where a citation stands."""

import io
from typing import IO

from PIL import Image

from rag.parse.contract import ParseLimits, RenderedPage
from rag.parse.failure import ParseFailure
from rag.parse.pdf.document import open_pdf

Image.preinit()  # in the sandbox nothing is loaded late


def render(source: IO[bytes], page_number: int, width_px: int, limits: ParseLimits) -> RenderedPage:
    """Draw page `page_number` (from 1) of a PDF, `width_px` wide unless that makes it larger than the limit allows.

    Raises:
        ParseFailure: `unreadable`, there is no such page or it cannot be drawn.
    """
    with open_pdf(source, limits) as pdf:
        if not 1 <= page_number <= len(pdf):
            raise ParseFailure("unreadable", "no such page")
        page = pdf[page_number - 1]
        width, height = page.get_size()
        scale = min(width_px / max(width, 1.0), (limits.image_pixels / max(width * height, 1.0)) ** 0.5)
        image = page.render(scale=scale, may_draw_forms=False).to_pil()
        png = io.BytesIO()
        image.save(png, "PNG")
        return RenderedPage(png=png.getvalue(), width=image.width, height=image.height)
