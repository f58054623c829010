"""What an operator does on the pages: sees what failed, has it done again, pauses, reads why something waits."""

import re
from uuid import UUID

import pytest
from playwright.async_api import expect

from backend.jobs import bulk
from db import query
from tests.e2e.load import add_dead, add_event_given_up, add_job, add_load, add_worker
from tests.e2e.scene import Scene

PARTS = ("", "/jobs", "/jobs?state=dead&error_type=timeout", "/failed", "/workers", "/schedules", "/events")
THINGS = ("/operations/schedules/{schedule_id}", "/operations/webhooks/{webhook_id}", "/jobs/{job_id}")


async def state_of(job_id: UUID) -> str:
    found: str = await query.fetch_value("SELECT state FROM jobs WHERE id = $1", job_id)
    return found


async def test_whoever_operates_nothing_is_not_let_in(scene: Scene) -> None:
    for role in ("student", "academic"):
        visitor = await scene.arrive(await scene.person(f"some-{role}", role))
        visitor.expected = {403}
        await expect(visitor.page.get_by_role("link", name="Operations")).to_have_count(0)
        for part in PARTS:
            await visitor.open(f"/operations{part}")
            await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("You may not open this page")
        assert await visitor.call("GET", "/api/v1/ops/queues/figures") == 403


async def test_whoever_may_only_look_has_nothing_to_press(scene: Scene) -> None:
    await add_load(scene.tenant_id, scene.operator.user_id)
    visitor = await scene.arrive(await scene.person("ada", "admin"))
    await visitor.page.get_by_role("link", name="Operations").click()
    for part in PARTS:
        await visitor.open(f"/operations{part}")
        await expect(visitor.page.locator("main form[data-api], main [data-bulk]")).to_have_count(0)


async def test_a_dead_job_is_found_by_its_error_and_retried(scene: Scene) -> None:
    job_id = await add_dead(scene.tenant_id, "jobs.purge", args='{"older_than_days": 14}')
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/operations")
    await page.get_by_role("link", name="Failed", exact=True).click()
    await expect(page.locator("#groups tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="worker-lost", exact=True).click()
    await page.locator("#job-rows a").click()
    await expect(page.locator("[aria-labelledby=attempts-title] tbody tr")).to_have_count(2)
    await expect(page.locator("main")).to_contain_text("The worker stopped in the middle of the work.")
    await page.get_by_role("button", name="Retry").click()
    await expect(page.locator("h1 + p .badge")).to_have_text("Queued")
    assert await state_of(job_id) == "queued"
    await expect(page.locator(".notice", has_text="Why it waits")).to_contain_text(
        "No worker serves the queue \u2068General\u2069."
    )
    assert await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'job.%'") == ["job.retried"]


async def test_a_pause_is_the_reason_that_its_jobs_tell(scene: Scene) -> None:
    job_id = await add_job(scene.tenant_id, "queued")
    await add_worker("ingest", threads=8)
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/operations")
    card = page.locator("li[data-key=ingest]")
    await card.get_by_role("button", name="Pause").click()
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(card.locator(".badge", has_text="Paused")).to_be_visible()
    await visitor.open(f"/jobs/{job_id}")
    reasons = page.locator(".reasons")
    await expect(reasons).to_contain_text("The queue \u2068Documents\u2069 is paused.")
    assert await visitor.call("PATCH", "/api/v1/me", {"locale": "ar"}) == 200
    await page.reload()
    await expect(reasons).to_contain_text("الطابور \u2068المستندات\u2069 موقوف")
    assert await visitor.audit() == []
    await visitor.open("/operations")
    await card.get_by_role("button", name="استئناف").click()
    await expect(card.locator(".badge", has_text="موقوف")).to_have_count(0)


async def test_many_are_discarded_after_a_look_at_what_would_happen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [await add_dead(scene.tenant_id, error="timeout") for _ in range(14)]
    kept = await add_job(scene.tenant_id, "queued")
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/operations/jobs")
    await page.get_by_label("State").select_option("dead")
    await expect(page.locator("#job-rows tr")).to_have_count(14)
    await expect(page.get_by_role("button", name="Discard")).to_be_disabled()
    await page.get_by_label("All that fit the filter").check()
    await page.get_by_role("button", name="Discard").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("14 jobs are discarded.")
    await expect(dialog.locator(".samples li")).to_have_count(10)
    await expect(dialog).to_contain_text("and 4 more")
    assert {await state_of(job_id) for job_id in dead} == {"dead"}, "a look changes nothing"
    monkeypatch.setattr(bulk, "JOBS_AT_ONCE", 5)
    await dialog.get_by_role("button", name="Discard").click()
    await expect(page.locator(".toast")).to_have_text("Done for 14 jobs.")
    await expect(page.get_by_role("heading", name="No jobs")).to_be_visible()
    assert "dead" not in {await state_of(job_id) for job_id in dead}
    assert await state_of(kept) == "queued"


async def test_some_are_chosen_one_by_one_and_told_why_not(scene: Scene) -> None:
    waiting, dead = await add_job(scene.tenant_id, "queued"), await add_dead(scene.tenant_id)
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/operations/jobs")
    for job_id in (waiting, dead):
        await page.locator(f"input[value='{job_id}']").check()
    await expect(page.locator("#chosen")).to_have_text("2 chosen")
    await page.get_by_role("button", name="Priority").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Priority").fill("7")
    await dialog.get_by_label("Priority").press("Tab")
    await expect(dialog).to_contain_text("1 job moves within its queue.")
    await expect(dialog.locator(".refused li")).to_contain_text("1 job stays as it is:")
    await dialog.get_by_role("button", name="Change priority").click()
    await expect(page.locator(f"tr[data-key='{waiting}']")).to_contain_text("priority 7")
    assert await query.fetch_value("SELECT priority FROM jobs WHERE id = $1", dead) == 50


async def test_the_queues_move_by_themselves(scene: Scene) -> None:
    visitor = await scene.arrive(scene.operator)
    await visitor.open("/operations")
    depth = visitor.page.locator("li[data-key=ingest] .depth strong")
    await expect(depth).to_have_text("0")
    button = visitor.page.get_by_role("button", name="Pause Documents")
    await button.focus()
    await add_job(scene.tenant_id, "queued")
    await expect(depth).to_have_text("1", timeout=10_000)
    await expect(button).to_be_focused()
    await expect(visitor.page.locator("li[data-key=ingest] .badge.bad")).to_have_text("No worker")


async def test_charts_are_drawn_and_told_in_numbers(scene: Scene) -> None:
    await add_load(scene.tenant_id, scene.operator.user_id)
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    for hours in (1, 24, 168):
        await visitor.open(f"/operations?queue=ingest&hours={hours}")
        await expect(page.locator(".chart canvas")).to_have_count(3)
        row = page.locator("tr[data-series=depth] td")
        assert int(await row.nth(3).inner_text()) > int(await row.nth(1).inner_text())
        await expect(page.locator("tr[data-series=in_per_minute] td").nth(2)).to_have_text(re.compile(r"^\d"))


@pytest.mark.parametrize(
    ("language", "width"),
    [("ar", 360), *(pytest.param(*each, marks=pytest.mark.long) for each in (("en", 360), ("ar", 1280)))],
)
async def test_the_pages_are_fit_for_use(scene: Scene, language: str, width: int) -> None:
    await add_load(scene.tenant_id, scene.operator.user_id)
    schedule = await query.fetch_value("SELECT id FROM schedules")
    dead = await query.fetch_value("SELECT id FROM jobs WHERE state = 'dead' LIMIT 1")
    busy = await query.fetch_value("SELECT id FROM jobs WHERE state = 'running' LIMIT 1")
    visitor = await scene.arrive(scene.operator, width=width, height=740)
    assert await visitor.call("PATCH", "/api/v1/me", {"locale": language}) == 200
    wrong = {}
    await add_event_given_up(scene.tenant_id)
    webhook = await query.fetch_value("SELECT id FROM webhook_endpoints")
    things = [path.format(schedule_id=schedule, webhook_id=webhook, job_id=dead) for path in THINGS]
    things.append(f"/jobs/{busy}")
    for path in (*(f"/operations{part}" for part in PARTS), *things):
        await visitor.open(path)
        await expect(visitor.page.locator("html")).to_have_attribute("lang", language)
        if path == "/operations":
            await expect(visitor.page.locator(".chart canvas")).to_have_count(3)
        if found := await visitor.audit():
            wrong[path] = found
        for opener in await visitor.page.locator("main [data-dialog]").all():
            await opener.click()
            if found := await visitor.audit():
                wrong[f"{path} {await opener.get_attribute('data-dialog')}"] = found
            await visitor.page.keyboard.press("Escape")
    assert wrong == {}


async def test_a_schedule_is_run_and_turned_off(scene: Scene) -> None:
    await add_load(scene.tenant_id, scene.operator.user_id)
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/operations/schedules")
    await page.get_by_role("button", name="Run now").click()
    await expect(page.locator(".toast")).to_have_text("The job is made.")
    await page.get_by_role("button", name="Turn off").click()
    await expect(page.locator("#schedules .badge")).to_have_text("Off")
    await page.get_by_role("link", name="Clear old jobs").click()
    await expect(page.locator("tbody tr")).to_contain_text("Run by hand")
    await page.get_by_role("link", name="To the job").click()
    await expect(page.locator("dl")).to_contain_text("Run by hand")


async def test_a_worker_is_drained(scene: Scene) -> None:
    worker_id = await add_worker("ingest")
    visitor = await scene.arrive(scene.operator)
    await visitor.open("/operations/workers")
    await visitor.page.get_by_role("button", name="Drain").click()
    await visitor.page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await expect(visitor.page.locator("#workers .badge")).to_have_text("Draining")
    assert await query.fetch_value("SELECT drain_requested_by FROM workers WHERE id = $1", worker_id) is not None


async def test_events_that_were_given_up_are_sent_again(scene: Scene) -> None:
    await add_event_given_up(scene.tenant_id)
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/operations/events")
    dead = page.locator("[aria-labelledby=dead-title] tbody tr")
    await expect(dead).to_contain_text("DatabaseUnavailable")
    await dead.get_by_role("button", name="Send again").click()
    await expect(dead).to_have_count(0)
    assert await query.fetch_value("SELECT state FROM event_failures") == "waiting"
    await page.get_by_role("link", name=re.compile("portal.example.org")).click()
    delivery = page.locator("#webhook tbody tr")
    await expect(delivery.locator(".badge")).to_have_text("Failed")
    await delivery.get_by_role("button", name="Send again").click()
    await expect(delivery.locator(".badge")).to_have_text("Waiting")


async def test_without_the_stream_the_page_asks_by_itself(scene: Scene) -> None:
    visitor = await scene.arrive(scene.operator)
    visitor.expected = {503}
    await visitor.page.route("**/api/v1/ops/queues/figures", lambda route: route.fulfill(status=503))
    await visitor.open("/operations")
    depth = visitor.page.locator("li[data-key=ingest] .depth strong")
    await expect(depth).to_have_text("0")
    await add_job(scene.tenant_id, "queued")
    await expect(depth).to_have_text("1", timeout=10_000)
