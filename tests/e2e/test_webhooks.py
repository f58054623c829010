"""Who is told of events and who may tell us, on the operators' pages."""

import re

from playwright.async_api import Locator, expect

from db import query
from tests.e2e.scene import Scene

SECRET = re.compile(r"^whsec_[A-Za-z0-9+/]{40,}=*$")


async def taken_down(dialog: Locator) -> str:
    """Read the secret that is shown, and close the dialog."""
    field = dialog.get_by_label("Secret")
    await expect(field).to_have_value(SECRET)
    secret = await field.input_value()
    await dialog.get_by_role("button", name="Done").click()
    await expect(dialog).to_have_count(0)
    return secret


async def test_a_webhook_is_made_tested_changed_and_deleted(scene: Scene) -> None:
    visitor = await scene.arrive(scene.operator)
    visitor.expected = {422}
    page = visitor.page
    dialog = page.get_by_role("dialog")
    await visitor.open("/operations/events")
    await page.get_by_role("button", name="New webhook").click()
    address = dialog.get_by_label("Address")
    await address.fill("https://10.0.0.7/told")
    await dialog.get_by_role("button", name="Create").click()
    await expect(address).to_be_focused()
    await expect(dialog.locator(".error")).to_be_visible()
    await address.fill("https://93.184.215.14/told")
    await dialog.get_by_label("Description").fill("The portal")
    await page.keyboard.press("Enter")
    secret = await taken_down(dialog)
    await page.get_by_role("link", name="93.184.215.14").click()
    assert secret not in await page.content()
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.locator("#webhook tbody tr")).to_contain_text("ping")

    await page.get_by_role("button", name="New secret").click()
    await dialog.get_by_role("button", name="New secret").click()
    await expect(dialog).to_contain_text("The old secret is good until")
    assert await taken_down(dialog) != secret
    await page.get_by_role("button", name="Edit").click()
    await dialog.get_by_label("Every event").uncheck()
    await dialog.get_by_label("enrolment.created", exact=True).check()
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.locator(".toast")).to_have_text("Saved.")
    assert await query.fetch_value("SELECT events::text FROM webhook_endpoints") == "{enrolment.created}"

    await page.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No webhooks.")).to_be_visible()
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'webhook.%' ORDER BY id")
    assert acts == [f"webhook.{act}" for act in ("created", "pinged", "secret_rotated", "changed", "deleted")]


async def test_a_sender_is_let_in_and_sent_away(scene: Scene) -> None:
    visitor = await scene.arrive(scene.operator)
    visitor.expected = {409}
    page = visitor.page
    dialog = page.get_by_role("dialog")
    await visitor.open("/operations/events")
    await page.get_by_role("button", name="New sender").click()
    await dialog.get_by_label("Name").fill("register")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_label("It sends to")).to_have_value(re.compile(r"/api/v1/webhooks/in/[0-9a-f-]{36}$"))
    secret = await taken_down(dialog)
    await page.get_by_role("button", name="New sender").click()
    await dialog.get_by_label("Name").fill("register")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text("A source is called register.")
    await dialog.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="New webhook").click()
    await expect(dialog.get_by_label("inbound.register")).to_be_visible()
    await dialog.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="New secret register").click()
    await dialog.get_by_role("button", name="New secret").click()
    assert await taken_down(dialog) != secret
    await page.get_by_role("button", name="Delete register").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("No other system may send messages.")).to_be_visible()
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'webhook_source.%' ORDER BY id")
    assert acts == [f"webhook_source.{act}" for act in ("created", "secret_rotated", "deleted")]
