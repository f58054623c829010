"""Both readers of the API work in a browser under their policy, with nothing fetched from elsewhere."""

import os
import shutil

import pytest
from playwright.async_api import Page, async_playwright, expect

from backend.system.controller import controllers
from tests.unit.edge.test_server import running

CHROMIUM = shutil.which("chromium") or ""


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
@pytest.mark.parametrize("reader", ["docs", "redoc"])
async def test_reader_shows_the_operations(reader: str) -> None:
    asked_for: list[str] = []
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with running(controllers) as api, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page: Page = await browser.new_page()
        page.on("requestfinished", lambda request: asked_for.append(request.url))
        await page.goto(f"http://{api.url}/{reader}")
        await expect(page.get_by_text("MakeThing").first).to_be_visible(timeout=20_000)
        await browser.close()
    assert asked_for
    assert all(address.startswith((f"http://{api.url}/", "blob:", "data:")) for address in asked_for)
