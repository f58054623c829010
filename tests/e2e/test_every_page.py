"""Every page in both languages, on a wide and on the narrowest window: see `audit.js` for what is asked of them.

Those that need rows which no demo has are looked at beside such rows: in `test_operations` and `test_models`.
"""

import re

import pytest
from playwright.async_api import expect

from backend.web import controllers
from tests.e2e.api import Campus, Person
from tests.e2e.conftest import Visit
from tests.e2e.test_operations import PARTS, THINGS
from tests.e2e.visitor import Visitor

OPEN_PAGES = ("/sign-in", "/sign-in/link", "/no/such/page")
PAGES = (
    "/courses",
    "/courses?q=nothing-has-this-name",
    "/chat",
    "/account",
    "/jobs",
    "/jobs?state=dead",
    "/admin/people",
    "/admin/people?q=nobody-has-this-name",
    "/admin/roles",
    "/admin/academics",
    "/admin/audit",
    "/admin/audit?request_id=unheard-of",
)
NARROWEST, WIDE = 360, 1280
ELSEWHERE = ("/models",)
NO_PAGES = {"/", "/language"}
"""They lead to one."""


@pytest.fixture(scope="module")
def addresses(campus: Campus) -> list[str]:
    """The pages of things, taken from the demo: courses, documents with and without pages, a job, a faculty, a person."""

    def listed(path: str) -> list[dict[str, str]]:
        items: list[dict[str, str]] = campus.http.get(f"/api/v1{path}").json()["items"]
        assert items, path
        return items

    addresses = []
    for course in listed("/courses?limit=100"):
        if course["code"] in ("COMP-101", "COMP-229"):
            document = listed(f"/documents?course_id={course['id']}")[0]["id"]
            addresses += [f"/courses/{course['id']}{part}" for part in ("", "/search", "/people")]
            addresses += [f"/documents/{document}{part}" for part in ("", "/passages", "/versions")]
    addresses.append(f"/jobs/{listed('/jobs')[0]['id']}")
    addresses.append(f"/admin/academics/{listed('/faculties')[0]['id']}")
    addresses.append(f"/admin/people/{listed('/users')[0]['id']}")
    return addresses


@pytest.mark.parametrize(("language", "width"), [("en", NARROWEST), ("ar", NARROWEST), ("ar", WIDE)])
async def test_every_page_is_fit_for_use(
    campus: Campus, addresses: list[str], visit: Visit, language: str, width: int
) -> None:
    visitor = await visit(width=width, height=740)
    visitor.expected = {404}
    await visitor.sign_in(campus.person("Ada", "admin"))
    assert await visitor.call("PATCH", "/api/v1/me", {"locale": language}) == 200
    wrong = {}
    for path in (*PAGES, *addresses):
        await visitor.open(path)
        assert await visitor.page.locator("html").get_attribute("lang") == language
        if found := await visitor.audit() + await _wrong_in_dialogs(visitor):
            wrong[path] = found
    assert wrong == {}


async def test_no_page_is_left_out(addresses: list[str]) -> None:
    operations = [f"/operations{part}" for part in PARTS] + list(THINGS)
    seen = {path.partition("?")[0] for path in (*OPEN_PAGES, *PAGES, *addresses, *operations)}
    pages = {route.path for router in controllers for route in router.routes if "GET" in route.methods}
    patterns = {page: re.sub(r"\{\w+:\w+\}", "[^/]+", page) for page in pages if not page.startswith(ELSEWHERE)}
    unseen = {page for page, pattern in patterns.items() if not any(re.fullmatch(pattern, path) for path in seen)}
    assert unseen == NO_PAGES


async def _wrong_in_dialogs(visitor: Visitor) -> list[str]:
    wrong = []
    for opener in await visitor.page.locator("[data-dialog]").all():
        await opener.click()
        wrong += await visitor.audit()
        await visitor.page.keyboard.press("Escape")
    return wrong


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_pages_before_the_sign_in(visit: Visit, language: str) -> None:
    visitor = await visit(width=NARROWEST)
    visitor.expected = {404}
    await visitor.open(f"/language?to={language}&next=/sign-in")
    for path in OPEN_PAGES:
        await visitor.open(path)
        assert await visitor.page.locator("html").get_attribute("lang") == language
        assert await visitor.audit() == []


async def test_an_incomplete_link_offers_nothing_to_send(visit: Visit) -> None:
    visitor = await visit()
    await visitor.open("/sign-in/link")
    await expect(visitor.page.get_by_role("alert")).to_contain_text("not complete")
    await expect(visitor.page.locator("#link-form")).to_be_hidden()
    await visitor.page.get_by_role("link", name="Sign in with a password").click()
    await visitor.page.wait_for_url("**/sign-in")


async def test_an_empty_field_has_the_pages_direction_and_a_filled_one_its_own(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(Person(campus.stack.student, campus.stack.password))
    question = visitor.page.locator("#question")
    for language, direction in (("ar", "rtl"), ("en", "ltr")):
        assert await visitor.call("PATCH", "/api/v1/me", {"locale": language}) == 200
        await visitor.open("/chat")
        await expect(question).to_have_css("direction", direction)
        for text, own in (("What is a shell?", "ltr"), ("ما هي الصدفة؟", "rtl")):
            await question.fill(text)
            await expect(question).to_have_css("direction", own)


async def test_a_long_question_is_seen_whole(campus: Campus, visit: Visit) -> None:
    visitor = await visit(width=NARROWEST)
    await visitor.sign_in(Person(campus.stack.student, campus.stack.password))
    await visitor.open("/chat")
    question = visitor.page.locator("#question")
    await question.fill("Which of these commands shows what a folder holds? " * 3)
    assert await question.evaluate("field => field.scrollHeight <= field.clientHeight")


async def test_a_language_chosen_by_a_person_is_theirs_everywhere(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    person = campus.person("Huda", "student")
    await visitor.sign_in(person)
    await expect(visitor.page.locator(".empty")).to_contain_text("As soon as you are enrolled")
    await visitor.page.get_by_role("button", name="العربية").click()
    await expect(visitor.page.locator("html")).to_have_attribute("dir", "rtl")
    await visitor.page.get_by_role("button", name="تسجيل الخروج").click()
    await visitor.page.wait_for_url("**/sign-in")
    await expect(visitor.page.locator("html")).to_have_attribute("dir", "rtl")
    assert not [cookie for cookie in await visitor.context.cookies() if "session" in cookie["name"]]


async def test_the_dark_page_is_dark(campus: Campus, visit: Visit) -> None:
    visitor = await visit(color_scheme="dark")
    await visitor.sign_in(Person(campus.stack.student, campus.stack.password))
    ground = await visitor.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert sum(int(part) for part in ground.removeprefix("rgb(").rstrip(")").split(",")) < 150
