"""What Lyceum is for: a lecturer uploads, a student asks and follows the citation, nobody else sees any of it."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.api import Campus, Person
from tests.e2e.conftest import Visit
from tests.e2e.gold import ARABIC, ENGLISH, Gold, language_of, words
from tests.e2e.visitor import ANSWER_MS, READY_MS
from tests.e2e.ways import WAYS
from tests.processes import held_up, until

ROMAN = "The praetor issues an edict when he enters his office."
ROMAN_QUESTION = "What does the praetor issue?"
MARGIN = 0.01
"""Of the page's width or height: what a mark may lie beside its word, and a pixel or two."""

pytestmark = pytest.mark.timeout(280)


@dataclass
class Story:
    """`stranger` studies in another faculty, where `roman_id` is a document."""

    course_id: str
    lecturer: Person
    student: Person
    stranger: Person
    roman_id: str
    documents: dict[str, str] = field(default_factory=dict)
    """Ids by file name."""


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
    law = campus.course("Roman Law")
    campus.enrol(stranger, law)
    return Story(course, lecturer, student, stranger, _uploaded(campus, law, "praetor.md", ROMAN.encode()))


def _uploaded(campus: Campus, course_id: str, name: str, data: bytes) -> str:
    answer = campus.http.post("/api/v1/documents", data={"course_id": course_id}, files={"file": (name, data)})
    document = f"/api/v1/documents/{answer.raise_for_status().json()['id']}"
    until(lambda: campus.http.get(document).json()["state"] == "ready", READY_MS / 1000)
    return str(answer.json()["id"])


async def test_a_lecturer_uploads_and_sees_it_become_ready(cast: Story, visit: Visit, campus: Campus) -> None:
    visitor = await visit()
    await visitor.sign_in(cast.lecturer)
    page = visitor.page
    await page.get_by_role("link", name="Deep Learning for Beginners", exact=True).click()
    await expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
    with held_up(campus.stack.pid_of("gateway")):
        await page.locator("#files").set_input_files([ENGLISH.path, ARABIC.path])
        await expect(page.locator(".document")).to_have_count(2, timeout=READY_MS)
        await expect(page.locator(".document[data-state=embedding]").first).to_be_visible(timeout=READY_MS)
    await expect(page.locator(".document[data-state=ready]")).to_have_count(2, timeout=READY_MS)
    await expect(page.locator("#uploads")).to_be_hidden()
    address = f"/api/v1/documents?course_id={cast.course_id}"
    for document in campus.http.get(address, headers=campus.bearer(cast.lecturer)).json()["items"]:
        cast.documents[document["file_name"]] = document["id"]
    assert set(cast.documents) == {ENGLISH.file, ARABIC.file}
    await page.locator("#files").set_input_files([ENGLISH.path])
    await expect(page.locator(".upload .status")).to_have_text("The course has this file already.")


@pytest.mark.parametrize("gold", [ENGLISH, ARABIC], ids=["English", "Arabic"])
async def test_a_student_asks_and_opens_the_citation_at_its_page(
    cast: Story, visit: Visit, campus: Campus, gold: Gold
) -> None:
    visitor = await visit()
    await visitor.sign_in(cast.student)
    page = visitor.page
    await page.get_by_role("link", name=re.compile("^Ask .*Deep Learning for Beginners")).click()
    turn = await visitor.ask(gold.question)
    said = await turn.locator(".text").inner_text()
    assert gold.word in said
    assert language_of(said) == gold.language
    await expect(turn.get_by_text("Quoted from the sources")).to_be_visible()

    citation = _golden_citation(campus, cast, gold)
    await turn.locator(".text .cite", has_text=re.compile(f"^{citation['marker']}$")).click()
    panel = page.get_by_role("dialog")
    await expect(panel.locator(".place")).to_have_text(f"Page {gold.page}")
    quote = await panel.locator(".quote").inner_text()
    assert gold.word in quote
    assert words(quote) <= gold.words_of_the_page()
    await _is_marked(panel.locator(".sheet"), campus, cast, citation, gold)
    await panel.get_by_role("link", name="Open the document").click()
    await expect(page.locator("#page")).to_have_value(str(gold.page))
    await _is_marked(page.locator("#sheet"), campus, cast, citation, gold)


def _golden_citation(campus: Campus, cast: Story, gold: Gold) -> dict[str, Any]:
    """The citation with the gold word in the newest answer, its offsets being those of its quote."""
    bearer = campus.bearer(cast.student)
    newest = campus.http.get("/api/v1/chat/sessions", headers=bearer).json()["items"][0]
    turn = campus.http.get(f"/api/v1/chat/sessions/{newest['id']}", headers=bearer).json()["turns"][-1]
    assert turn["question"] == gold.question
    (citation,) = [citation for citation in turn["citations"] if gold.word in citation["quote"]]
    assert citation["document_id"] == cast.documents[gold.file]
    document = f"/api/v1/documents/{citation['document_id']}"
    text = campus.http.get(f"{document}/text?version={citation['version']}", headers=bearer).json()["text"]
    assert text[citation["char_start"] : citation["char_end"]] == citation["quote"]
    found: dict[str, Any] = citation
    return found


async def _is_marked(sheet: Locator, campus: Campus, cast: Story, citation: dict[str, Any], gold: Gold) -> None:
    """The picture is the right page's, and marked where the API and PDFium say that the passage stands."""
    image = sheet.locator("img")
    await expect(sheet.locator(".page-marks rect").first).to_be_visible(timeout=ANSWER_MS)
    assert await image.evaluate("image => image.complete && image.naturalWidth > 400")
    address = f"/api/v1/documents/{citation['document_id']}/pages/{gold.page}"
    assert address + "/image" in str(await image.get_attribute("src"))
    span = {name: citation[name] for name in ("char_start", "char_end", "version")}
    boxes = campus.http.get(f"{address}/boxes", params=span, headers=campus.bearer(cast.student)).json()["boxes"]
    expected = [tuple(box[side] for side in ("left", "top", "right", "bottom")) for box in boxes]
    shown = await _marks_on(image, sheet.page)
    assert len(shown) == len(expected)
    for mark, box in zip(sorted(shown), sorted(expected), strict=True):
        assert mark == pytest.approx(box, abs=MARGIN)
    x, y = gold.place()
    assert any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in shown)
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in shown)
    assert 0 < area < 0.1, "a passage is marked, not the page"


async def _marks_on(image: Locator, page: Page) -> list[tuple[float, ...]]:
    """Left, top, right and bottom of each mark as painted, in parts of the picture."""
    marks: list[list[float]] = await page.evaluate(
        """image => {
            const whole = image.getBoundingClientRect();
            const marks = image.parentElement.querySelectorAll(".page-marks rect");
            return [...marks].map(mark => mark.getBoundingClientRect()).map(({ left, top, right, bottom }) => [
                (left - whole.left) / whole.width, (top - whole.top) / whole.height,
                (right - whole.left) / whole.width, (bottom - whole.top) / whole.height,
            ]);
        }""",
        await image.element_handle(),
    )
    return [tuple(mark) for mark in marks]


async def test_an_answer_is_still_there_after_a_reload(cast: Story, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(cast.student)
    page = visitor.page
    await visitor.open("/chat")
    turn = await visitor.ask(ENGLISH.question)
    said = await turn.locator(".text").inner_text()
    await page.reload()
    await expect(page.locator(".turn .text").last).to_have_text(said)
    await expect(page.locator(".conversation a[aria-current]")).to_have_count(1)
    await page.locator(".conversation").first.get_by_role("button").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.get_by_role("heading", name="What would you like to understand?")).to_be_visible()


async def test_a_student_of_another_faculty_gets_nothing_of_it_by_page(cast: Story, visit: Visit) -> None:
    assert cast.documents, "the upload comes first"
    visitor = await visit()
    visitor.expected = {403, 404}
    await visitor.sign_in(cast.stranger)
    page = visitor.page
    await expect(page.get_by_text("Roman Law").first).to_be_visible()
    await expect(page.get_by_text("Deep Learning for Beginners")).to_have_count(0)
    for path in (f"/courses/{cast.course_id}", *(f"/documents/{document}" for document in cast.documents.values())):
        await visitor.open(path)
        await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await visitor.open("/chat")
    for gold in (ENGLISH, ARABIC):
        turn = await visitor.ask(gold.question)
        await expect(turn.get_by_text("Not in the material")).to_be_visible()
        await expect(turn.locator(".cite")).to_have_count(0)
        assert gold.word not in await turn.locator(".text").inner_text()
    turn = await visitor.ask(ROMAN_QUESTION)
    await expect(turn.locator(".text .cite").first).to_be_visible()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("gold", [ENGLISH, ARABIC], ids=["English", "Arabic"])
async def test_a_student_of_another_faculty_gets_nothing_of_it(
    cast: Story, campus: Campus, gold: Gold, way: str
) -> None:
    """The same words give the student the document, and the stranger's own question gives the stranger's."""
    ask = WAYS[way]
    assert cast.documents[gold.file] in (await ask(campus, cast.student, gold.question, None))[1]
    assert await ask(campus, cast.stranger, ROMAN_QUESTION, None) == (200, {cast.roman_id})
    status, foreign = await ask(campus, cast.stranger, gold.question, None)
    assert status == 200
    assert not foreign & set(cast.documents.values())
    assert await ask(campus, cast.stranger, gold.question, cast.course_id) == (404, set())


async def test_a_student_of_another_faculty_reads_no_part_of_a_document(cast: Story, campus: Campus) -> None:
    parts = ("", "/chunks", "/file", "/text", "/pages/1/image", "/pages/1/boxes?char_start=0&char_end=9")
    for person, status in ((cast.student, httpx.codes.OK), (cast.stranger, httpx.codes.NOT_FOUND)):
        bearer = campus.bearer(person)
        for document in cast.documents.values():
            for part in parts:
                answer = campus.http.get(f"/api/v1/documents/{document}{part}", headers=bearer)
                assert answer.status_code == status, (person.email, part)


async def test_a_deleted_source_is_shown_as_withdrawn(cast: Story, visit: Visit) -> None:
    student, lecturer = await visit(), await visit()
    await student.sign_in(cast.student)
    await student.open(f"/chat?course={cast.course_id}")
    await student.ask(ENGLISH.question)
    await lecturer.sign_in(cast.lecturer)
    for document in cast.documents.values():
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
