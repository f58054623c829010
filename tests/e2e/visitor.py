"""A person at a browser. Whatever the browser complains of fails the test."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.e2e.api import Person

AUDIT = Path(__file__).with_name("audit.js").read_text()
ANSWER_MS = 30_000
READY_MS = 120_000


@dataclass
class Visitor:
    context: BrowserContext
    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)
    """Statuses that this story brings about; the browser writes each to its console."""

    def watch(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        status = re.search(r"status of (\d+)", message.text)
        if message.type in ("error", "warning") and not (status and int(status[1]) in self.expected):
            self.complaints.append(f"{self.page.url}: {message.text}")

    async def open(self, path: str) -> None:
        await self.page.goto(self.base_url + path)

    async def sign_in(self, person: Person) -> None:
        await self.open("/sign-in")
        await self.page.get_by_label("E-mail").fill(person.email)
        await self.page.get_by_label("Password").fill(person.password)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url("**/courses")

    async def call(self, method: str, path: str, body: object = None) -> int:
        """Call the API as the page would; return the status."""
        status: int = await self.page.evaluate(
            """async ([method, path, body]) => {
                const token = document.querySelector('meta[name="csrf-token"]').content;
                const headers = { "X-CSRF-Token": token, ...(body ? { "Content-Type": "application/json" } : {}) };
                return (await fetch(path, { method, headers, body: body ? JSON.stringify(body) : undefined })).status;
            }""",
            [method, path, body],
        )
        return status

    async def ask(self, question: str) -> Locator:
        """Ask on the tutor's page; return the turn when its answer has ended."""
        await expect(self.page.locator("#ask")).to_be_enabled()
        await self.page.locator("#question").fill(question)
        await self.page.keyboard.press("Enter")
        turn = self.page.locator(".turn").last
        await expect(turn.locator(".question")).to_have_text(question)
        await self.ended(turn)
        return turn

    async def ended(self, turn: Locator) -> None:
        """Wait for the end of an answer: the composer takes the next question."""
        await expect(self.page.locator("#ask")).to_be_visible(timeout=ANSWER_MS)
        await expect(turn.locator(".stage")).to_be_hidden()

    async def audit(self) -> list[str]:
        """Return what is wrong with the page for a screen reader or a narrow window."""
        found: list[str] = await self.page.evaluate(AUDIT)
        return found
