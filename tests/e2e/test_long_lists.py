"""Choosing from more than a page holds, by keyboard, in Arabic."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from playwright.async_api import Browser, expect

from backend.academics import service
from backend.academics.schemas import NewCourse
from backend.identity.passwords import hash_password
from db import query
from ops.local.ports import free_port
from tests import campus
from tests.api import Api, running
from tests.servers import Database

COURSES = 130
PASSWORD = "Quiet-River-9-stones"


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[None]:
    """The application on its port."""
    config = uvicorn.Config(api.app, port=api.settings.port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield
    server.should_exit = True
    await serving


async def test_a_place_beyond_the_hundredth_is_found_by_typing(
    browser: Browser, database: Database, valkey_url: str
) -> None:
    async with running(database.url, valkey_url, port=free_port()) as api, served(api):
        home = await campus.tenant("long")
        secret = await hash_password(PASSWORD)
        administrator = await campus.person(home, "amal", "admin", password_hash=secret)
        teacher = await campus.person(home, "rami")
        where = await campus.place(administrator, "SCI")
        for number in range(COURSES):
            new = NewCourse(
                faculty_id=where.faculty_id,
                semester_id=where.semester_id,
                code=f"N{number:03}",
                title=f"مقرر الأحياء {number:03}",
            )
            course = await service.create_course(administrator, new)
        await query.execute("UPDATE users SET locale = 'ar' WHERE id = $1", administrator.user_id)

        context = await browser.new_context(viewport={"width": 1280, "height": 860})
        page = await context.new_page()
        await page.goto(f"{api.settings.base_url}/sign-in")
        await page.locator("[name=email]").fill(administrator.email)
        await page.locator("[name=password]").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/courses")
        await page.goto(f"{api.settings.base_url}/admin/people/{teacher.user_id}")
        place = page.locator("#grant-place")
        await expect(place.locator(f"option[value='course_id:{course.id}']")).to_have_count(0)

        await page.get_by_label("ابحث عن كلية أو مقرر").focus()
        await page.keyboard.type("الأحياء 129")
        await expect(page.get_by_role("status").filter(has_text="المعروض: 1.")).to_be_visible()
        await expect(place).to_have_value(f"course_id:{course.id}")
        await page.locator("#grant-role").select_option("academic")
        await page.keyboard.press("Tab")
        await page.get_by_role("button", name="منح").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#grants-title ~ ul")).to_contain_text(course.title)
        await context.close()
