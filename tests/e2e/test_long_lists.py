"""Choosing from more than a page holds, by keyboard, in Arabic."""

from playwright.async_api import expect

from backend.academics import service
from backend.academics.schemas import NewCourse
from db import query
from tests import campus
from tests.e2e.scene import Scene

COURSES = 130


async def test_a_place_beyond_the_hundredth_is_found_by_typing(scene: Scene) -> None:
    administrator, teacher = await scene.person("amal", "admin"), await scene.person("rami")
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

    visitor = await scene.arrive(administrator)
    page = visitor.page
    await visitor.open(f"/admin/people/{teacher.user_id}")
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
