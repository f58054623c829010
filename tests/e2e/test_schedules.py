"""Jobs by the clock, made and changed on the operators' pages."""

import re

from playwright.async_api import expect

from db import query
from tests.e2e.scene import Scene


async def test_a_schedule_is_made_changed_and_deleted(scene: Scene) -> None:
    visitor = await scene.arrive(scene.operator, timezone_id="Asia/Amman")
    visitor.expected = {422}
    page = visitor.page
    await visitor.open("/operations/schedules")
    await page.get_by_role("button", name="New schedule").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Each night")
    await dialog.get_by_label("this many days ago").fill("14")
    await expect(dialog.get_by_label("Time zone")).to_have_value("Asia/Amman")
    cron, times = dialog.get_by_label("When", exact=True), dialog.locator("output")
    await cron.fill("0 3 30 2 *")
    await expect(times).to_contain_text("there is no such date")
    await dialog.get_by_role("button", name="Create").click()
    await expect(cron).to_have_attribute("aria-invalid", "true")
    await expect(cron).to_be_focused()
    await cron.fill("30 3 * * 1")
    await expect(times.get_by_role("listitem")).to_have_count(5)
    await expect(times.get_by_role("listitem").first).to_have_text(re.compile(r"^Mon, .* 03:30$"))
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Each night").click()
    await expect(page.locator("dl")).to_contain_text("30 3 * * 1 Asia/Amman")

    await page.get_by_role("button", name="Edit").click()
    await expect(dialog.get_by_label("At most")).to_be_hidden()
    await dialog.get_by_label("Times when nothing ran").select_option("all")
    await dialog.get_by_label("At most").fill("3")
    await dialog.get_by_label("this many days ago").fill("60")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.locator(".toast")).to_have_text("Saved.")
    await expect(page.locator("dl")).to_contain_text("are each made up for (At most: 3)")
    assert await query.fetch_value("SELECT concat_ws(' ', max_missed, args, user_id) FROM schedules") == (
        f'3 {{"older_than_days": 60}} {scene.operator.user_id}'
    )

    await page.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="No schedules")).to_be_visible()
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'schedule.%' ORDER BY id")
    assert acts == ["schedule.created", "schedule.changed", "schedule.deleted"]
