"""Without a mouse: signing in, asking, following a citation and coming back."""

import re

from playwright.async_api import expect

from tests.e2e.api import Campus
from tests.e2e.conftest import Visit
from tests.e2e.visitor import ANSWER_MS, Visitor


async def focused(visitor: Visitor) -> str:
    name: str = await visitor.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
    return name


async def tab_to(visitor: Visitor, name: str) -> None:
    for _ in range(30):
        if await focused(visitor) == name:
            return
        await visitor.page.keyboard.press("Tab")
    raise AssertionError(f"{name} cannot be reached")


async def test_sign_in_ask_and_follow_a_citation_by_keyboard(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    keyboard = visitor.page.keyboard
    await visitor.open("/chat")
    await visitor.page.wait_for_url(re.compile(r"/sign-in\?next="))
    assert await focused(visitor) == "email"
    await keyboard.type(campus.stack.student)
    await keyboard.press("Tab")
    await keyboard.type(campus.stack.password)
    await keyboard.press("Enter")
    await visitor.page.wait_for_url("**/chat")
    await expect(visitor.page.locator("#ask")).to_be_enabled()
    assert await focused(visitor) == "question"
    await keyboard.type("How do I list the files in a directory?")
    await keyboard.press("Enter")
    turn = visitor.page.locator(".turn").last
    await expect(turn.locator(".sources .cite").first).to_be_visible(timeout=ANSWER_MS)
    await turn.locator(".text .cite").first.focus()
    await keyboard.press("Enter")
    panel = visitor.page.get_by_role("dialog")
    await expect(panel.locator("mark")).to_be_visible()
    await keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(turn.locator(".text .cite").first).to_be_focused()


async def test_the_first_stop_leads_to_the_content(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(campus.person("Tarik", "student"))
    await visitor.page.keyboard.press("Tab")
    assert await focused(visitor) == "Skip to the content"
    await visitor.page.keyboard.press("Enter")
    assert await focused(visitor) == "main"
    await visitor.page.keyboard.press("Shift+Tab")
    assert await focused(visitor) == "Sign out"


async def test_a_menu_closes_by_escape_and_gives_the_focus_back(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    lecturer, course = campus.person("Karim"), campus.course("Statics")
    campus.teaches(lecturer, course)
    await visitor.sign_in(lecturer)
    await visitor.open(f"/courses/{course}")
    note = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"Forces in balance have no sum."}
    await visitor.page.locator("#files").set_input_files(note)
    await tab_to_menu(visitor)
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.get_by_role("link", name="Download original")).to_be_visible()
    await visitor.page.keyboard.press("Tab")
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.page.get_by_role("link", name="Download original")).to_be_hidden()
    await expect(visitor.page.locator(".document summary")).to_be_focused()


async def test_the_conversations_of_a_narrow_window_close_by_escape(campus: Campus, visit: Visit) -> None:
    visitor = await visit(width=360)
    await visitor.sign_in(campus.person("Salma", "student"))
    await visitor.open("/chat")
    opener = visitor.page.get_by_role("button", name="Conversations", exact=True)
    await opener.press("Enter")
    await expect(visitor.page.locator("#conversations")).to_be_visible()
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.page.locator("#conversations")).to_be_hidden()
    await expect(opener).to_be_focused()


async def tab_to_menu(visitor: Visitor) -> None:
    await expect(visitor.page.locator(".document[data-state=ready]")).to_be_visible(timeout=ANSWER_MS)
    await visitor.page.locator("#files").focus()
    await tab_to(visitor, "What to do with \u2068note\u2069")
