"""The whole application, with a browser's headers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from backend.identity.passwords import hash_password
from backend.kit.subject import Subject
from db.repositories.courses import CourseRow
from tests import campus
from tests.api import Api, running
from tests.servers import Database

PASSWORD = "Quiet-River-9-stones"
ORIGIN = "http://127.0.0.1:8000"
BROWSER = {"accept": "text/html,application/xhtml+xml", "origin": ORIGIN, "user-agent": "Mozilla/5.0 Firefox/140.0"}


@dataclass(frozen=True)
class Site:
    api: Api
    student: Subject
    administrator: Subject
    course: CourseRow
    """The student is not in it."""

    def browser(self, **headers: str) -> httpx.AsyncClient:
        return self.api.client(**(BROWSER | headers))

    async def signed_in(self, person: Subject) -> httpx.AsyncClient:
        browser = self.browser()
        answer = await sign_in(browser, person.email)
        assert answer.status_code == 303, answer.text
        return browser


async def sign_in(
    browser: httpx.AsyncClient, email: str, password: str = PASSWORD, next_page: str = ""
) -> httpx.Response:
    return await browser.post("/sign-in", data={"email": email, "password": password, "next": next_page})


@pytest.fixture
async def site(database: Database, valkey_url: str) -> AsyncIterator[Site]:
    async with running(database.url, valkey_url) as api:
        home = await campus.tenant("north")
        password_hash = await hash_password(PASSWORD)
        student = await campus.person(home, "student", "student", password_hash=password_hash)
        administrator = await campus.person(home, "administrator", "admin", password_hash=password_hash)
        place = await campus.place(administrator, "SCI")
        yield Site(api, student, administrator, await campus.course(administrator, place, "C1"))
