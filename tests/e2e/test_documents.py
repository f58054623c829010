"""What a lecturer does with documents beyond the first upload."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.api import Campus, Person
from tests.e2e.conftest import Visit
from tests.e2e.visitor import READY_MS, Visitor

DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"


@pytest.fixture
def taught(campus: Campus) -> tuple[Person, str]:
    lecturer, course = campus.person("Layla"), campus.course("Optics")
    campus.teaches(lecturer, course)
    return lecturer, course


async def at_the_course(visit: Visit, taught: tuple[Person, str]) -> Visitor:
    visitor = await visit()
    await visitor.sign_in(taught[0])
    await visitor.open(f"/courses/{taught[1]}")
    return visitor


async def uploaded(visitor: Visitor, *files: Any) -> None:
    await visitor.page.locator("#files").set_input_files(list(files))


def text_file(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "mimeType": "text/plain", "buffer": text.encode()}


def row(visitor: Visitor, title: str) -> Locator:
    return visitor.page.locator(".document", has=visitor.page.get_by_role("link", name=title, exact=True))


async def test_a_failure_is_a_sentence_and_can_be_tried_again(visit: Visit, taught: tuple[Person, str]) -> None:
    visitor = await at_the_course(visit, taught)
    await uploaded(
        visitor, DOCUMENTS / "r6-user-password.pdf", DOCUMENTS / "zero-byte.pdf", DOCUMENTS / "not-a-pdf.pdf"
    )
    failed = visitor.page.locator(".document[data-state=failed]")
    await expect(failed).to_have_count(3, timeout=READY_MS)
    locked = row(visitor, "r6-user-password")
    await expect(locked.locator(".failure")).to_have_text(
        "The file is protected by a password. Save a copy without the password and upload that."
    )
    await expect(row(visitor, "zero-byte").locator(".failure")).to_contain_text("empty")
    stamp = await locked.get_attribute("data-stamp")
    await locked.get_by_role("button", name="Try again").click()
    await expect(locked).not_to_have_attribute("data-stamp", stamp or "")
    await expect(failed).to_have_count(3, timeout=READY_MS)


async def test_a_new_version_and_a_deletion(visit: Visit, taught: tuple[Person, str]) -> None:
    visitor = await at_the_course(visit, taught)
    page = visitor.page
    await uploaded(visitor, text_file("lenses.txt", "A convex lens collects light in its focus."))
    await expect(row(visitor, "lenses")).to_have_attribute("data-state", "ready", timeout=READY_MS)
    await page.locator("[data-replaces]").set_input_files(text_file("lenses2.txt", "A concave lens scatters light."))
    await page.get_by_role("link", name="lenses", exact=True).click()
    await page.get_by_role("link", name="Versions").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("link", name="Passages").click()
    while "concave" not in await page.locator("main").inner_text():  # the old version serves until the new one is ready
        await page.reload()
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_label("Title").fill("العدسات")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="العدسات")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog")
    await question.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Delete").click()
    await question.get_by_role("button", name="Delete").click()
    await page.wait_for_url(f"**/courses/{taught[1]}")
    await expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
    await expect(page.locator(".toast")).to_contain_text("Nothing cites it any more")


async def test_files_can_be_dropped_and_too_large_ones_are_told_at_once(
    visit: Visit, taught: tuple[Person, str]
) -> None:
    visitor = await at_the_course(visit, taught)
    await visitor.page.evaluate(
        """() => {
            const files = new DataTransfer();
            files.items.add(new File(["Mirrors reflect light at the angle of its arrival."], "mirrors.txt"));
            const drop = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
            document.getElementById("upload").dispatchEvent(drop);
        }"""
    )
    await expect(row(visitor, "mirrors")).to_have_attribute("data-state", "ready", timeout=READY_MS)
    await visitor.page.locator("#upload").evaluate("zone => zone.dataset.maxBytes = 10")
    await uploaded(visitor, text_file("prisms.txt", "A prism parts white light."))
    await expect(visitor.page.locator(".upload .status")).to_have_text("The file is larger than allowed.")
    await visitor.page.get_by_role("button", name="Dismiss").click()
    await expect(visitor.page.locator("#uploads")).to_be_hidden()


async def test_the_search_test_shows_passage_score_and_place(visit: Visit, taught: tuple[Person, str]) -> None:
    visitor = await at_the_course(visit, taught)
    page = visitor.page
    await uploaded(visitor, text_file("waves.txt", "Interference adds the amplitudes of two waves."))
    await expect(row(visitor, "waves")).to_have_attribute("data-state", "ready", timeout=READY_MS)
    await page.get_by_role("link", name="Test search").click()
    await page.get_by_label("Question or words").fill("What does interference add?")
    await page.get_by_role("button", name="Search").click()
    result = page.locator(".result").first
    await expect(result.locator("blockquote")).to_have_text("Interference adds the amplitudes of two waves.")
    await expect(result.locator(".score")).to_contain_text("Score")
    await result.get_by_role("button", name="Show the place").click()
    await expect(page.get_by_role("dialog").locator("mark")).to_have_text(
        "Interference adds the amplitudes of two waves."
    )


async def test_a_job_is_followed_to_its_end(visit: Visit, taught: tuple[Person, str]) -> None:
    visitor = await at_the_course(visit, taught)
    page = visitor.page
    await uploaded(visitor, text_file("fibres.txt", "Light stays in a fibre by total reflection."))
    await expect(row(visitor, "fibres")).to_be_visible(timeout=READY_MS)
    await page.get_by_role("link", name="Jobs").click()
    await page.get_by_role("link", name="Read a document").first.click()
    await expect(page.locator(".page-head .badge")).to_have_text("Succeeded", timeout=READY_MS)
    await expect(page.locator(".timeline li").last).to_contain_text("Finished")
    await expect(page.get_by_role("link", name="To the document")).to_be_visible()
