"""Pages drawn in the sandbox."""

import io
from pathlib import Path

import pytest
from PIL import Image

from rag.parse import ParseFailure, ParseLimits, render_page
from tests.unit.parse.samples import DOCUMENTS, make_pdf


async def test_page_image_has_the_width_asked_for_and_ink() -> None:
    page = await render_page(DOCUMENTS / "cheatsheet-deep-learning-ar.pdf", 1, width_px=800)
    image = Image.open(io.BytesIO(page.png))
    assert (page.width, page.height) == image.size
    assert abs(page.width - 800) <= 1
    assert image.convert("L").getextrema() == (0, 255)


async def test_page_that_is_not_there() -> None:
    with pytest.raises(ParseFailure) as caught:
        await render_page(DOCUMENTS / "crazyones.pdf", 2, width_px=800)
    assert caught.value.type == "unreadable"


async def test_enormous_page_stays_within_the_pixel_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf("0 0 100 100 re f", size=(14400, 14400)))
    page = await render_page(path, 1, width_px=100_000, limits=ParseLimits(image_pixels=1_000_000))
    assert page.width * page.height <= 1_010_000
