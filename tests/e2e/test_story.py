"""What Lyceum is for: a lecturer uploads, a student asks and follows the citation, nobody else sees any of it."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from playwright.async_api import expect

from tests.e2e.api import Campus, Person
from tests.e2e.conftest import Visit
from tests.e2e.visitor import ANSWER_MS, READY_MS, Visitor

DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"
ENGLISH, ARABIC = DOCUMENTS / "cheatsheet-deep-learning.pdf", DOCUMENTS / "cheatsheet-deep-learning-ar.pdf"
ENGLISH_QUESTION = "What is the vanishing gradient problem, and what is dropout?"
ARABIC_QUESTION = "ما هي الشبكات العصبية؟"

pytestmark = pytest.mark.timeout(280)


@dataclass
class Story:
    course_id: str
    lecturer: Person
    student: Person
    stranger: Person
    document_ids: list[str]


@pytest.fixture(scope="module")
def cast(campus: Campus) -> Story:
    course = campus.course("Deep Learning for Beginners")
    lecturer, student, stranger = (
        campus.person("Lina"),
        campus.person("Sami", "student"),
        campus.person("Noor", "student"),
    )
    campus.teaches(lecturer, course)
    campus.enrol(student, course)
    campus.enrol(stranger, campus.course("Roman Law"))
    return Story(course, lecturer, student, stranger, [])


async def test_a_lecturer_uploads_and_sees_it_become_ready(cast: Story, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(cast.lecturer)
    page = visitor.page
    await page.get_by_role("link", name="Deep Learning for Beginners", exact=True).click()
    await expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
    stages = asyncio.create_task(_stages_seen(visitor))
    await page.locator("#files").set_input_files([ENGLISH, ARABIC])
    await expect(page.locator(".document")).to_have_count(2, timeout=READY_MS)
    await expect(page.locator(".document[data-state=ready]")).to_have_count(2, timeout=READY_MS)
    seen = await stages
    assert {"parsing", "embedding"} & seen, f"no progress was shown on the way, only {seen}"
    await expect(page.locator("#uploads")).to_be_hidden()
    links = await page.locator(".document h3 a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    cast.document_ids = [link.rsplit("/", 1)[1] for link in links]
    await page.locator("#files").set_input_files([ENGLISH])
    await expect(page.locator(".upload .status")).to_have_text("The course has this file already.")


async def _stages_seen(visitor: Visitor) -> set[str]:
    seen: set[str] = set()
    while "ready" not in seen:
        states = await visitor.page.locator(".document").evaluate_all("rows => rows.map(row => row.dataset.state)")
        seen.update(states)
        await asyncio.sleep(0.1)
    return seen


@pytest.mark.parametrize(("question", "marked"), [(ENGLISH_QUESTION, "Page"), (ARABIC_QUESTION, "Page")])
async def test_a_student_asks_and_opens_the_citation_at_its_page(
    cast: Story, visit: Visit, question: str, marked: str
) -> None:
    visitor = await visit()
    await visitor.sign_in(cast.student)
    page = visitor.page
    await page.get_by_role("link", name=re.compile("^Ask .*Deep Learning for Beginners")).click()
    turn = await visitor.ask(question)
    assert len(await turn.locator(".text").inner_text()) > 30
    await expect(turn.get_by_text("Quoted from the sources")).to_be_visible()
    await turn.locator(".text .cite").first.click()
    panel = page.get_by_role("dialog")
    await expect(panel.locator(".place")).to_contain_text(marked)
    mark = panel.locator(".page-marks rect").first
    await expect(mark).to_be_visible(timeout=ANSWER_MS)
    assert await panel.locator("img").evaluate("image => image.complete && image.naturalWidth > 400")
    assert (await mark.bounding_box() or {}).get("width", 0) > 10
    quote = await panel.locator(".quote").inner_text()
    await panel.get_by_role("link", name="Open the document").click()
    await expect(page.locator("#sheet .page-marks rect").first).to_be_visible(timeout=ANSWER_MS)
    assert await page.locator("#page").input_value() != ""
    assert quote.strip()


async def test_an_answer_is_still_there_after_a_reload(cast: Story, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(cast.student)
    page = visitor.page
    await visitor.open("/chat")
    turn = await visitor.ask(ENGLISH_QUESTION)
    said = await turn.locator(".text").inner_text()
    await page.reload()
    await expect(page.locator(".turn .text").last).to_have_text(said)
    await expect(page.locator(".conversation a[aria-current]")).to_have_count(1)
    await page.locator(".conversation").first.get_by_role("button").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.get_by_role("heading", name="What would you like to understand?")).to_be_visible()


async def test_a_student_of_another_faculty_gets_nothing_of_it(cast: Story, visit: Visit, campus: Campus) -> None:
    assert cast.document_ids, "the upload comes first"
    visitor = await visit()
    visitor.expected = {403, 404}
    await visitor.sign_in(cast.stranger)
    page = visitor.page
    await expect(page.get_by_text("Deep Learning for Beginners")).to_have_count(0)
    for path in (f"/courses/{cast.course_id}", *(f"/documents/{document}" for document in cast.document_ids)):
        await visitor.open(path)
        await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await visitor.open("/chat")
    turn = await visitor.ask(ENGLISH_QUESTION)
    await expect(turn.get_by_text("Not in the material")).to_be_visible()
    await expect(turn.locator(".cite")).to_have_count(0)

    bearer = campus.bearer(cast.stranger)
    _nothing_by_rest(campus.http, cast, bearer)
    for question in (ENGLISH_QUESTION, ARABIC_QUESTION):
        events = await _asked_by_socket(campus, bearer, {"message": question})
        assert events[-1]["answer"]["verdict"] == "not_in_material"
        assert not any(event["type"] == "citation" for event in events)
    refused = await _asked_by_socket(campus, bearer, {"message": ENGLISH_QUESTION, "course_id": cast.course_id})
    assert refused[-1]["problem"]["status"] == 404


def _nothing_by_rest(http: httpx.Client, cast: Story, bearer: dict[str, str]) -> None:
    for document in cast.document_ids:
        for part in ("", "/chunks", "/file", "/text", "/pages/1/image", "/pages/1/boxes?char_start=0&char_end=9"):
            assert http.get(f"/api/v1/documents/{document}{part}", headers=bearer).status_code == 404, part
    for query in (ENGLISH_QUESTION, ARABIC_QUESTION):
        found = http.post("/api/v1/search", json={"query": query}, headers=bearer)
        assert found.json()["results"] == []
        asked = {"query": query, "course_id": cast.course_id}
        assert http.post("/api/v1/search", json=asked, headers=bearer).status_code == 404


async def _asked_by_socket(campus: Campus, bearer: dict[str, str], question: dict[str, str]) -> list[dict[str, Any]]:
    address = campus.stack.base_url.replace("http", "ws") + "/api/v1/chat/ws"
    async with websockets.connect(address) as socket:
        await socket.send(json.dumps({"type": "auth", "token": bearer["Authorization"].removeprefix("Bearer ")}))
        assert json.loads(await socket.recv())["type"] == "ready"
        await socket.send(json.dumps({"type": "ask", **question}))
        events = []
        while not events or events[-1]["type"] not in ("done", "problem"):
            events.append(json.loads(await socket.recv()))
    return events


async def test_a_deleted_source_is_shown_as_withdrawn(cast: Story, visit: Visit) -> None:
    student, lecturer = await visit(), await visit()
    await student.sign_in(cast.student)
    await student.open(f"/chat?course={cast.course_id}")
    await student.ask(ENGLISH_QUESTION)
    await lecturer.sign_in(cast.lecturer)
    for document in cast.document_ids:
        await lecturer.open(f"/documents/{document}")
        await lecturer.page.get_by_role("button", name="Delete").click()
        await lecturer.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await lecturer.page.wait_for_url(f"**/courses/{cast.course_id}")
    await student.page.reload()
    chip = student.page.locator(".turn .sources .cite.withdrawn").first
    await expect(chip).to_be_visible()
    await chip.click()
    await expect(student.page.get_by_role("dialog")).to_contain_text("This source is no longer available")
    await expect(student.page.get_by_role("dialog").locator("img")).to_have_count(0)
