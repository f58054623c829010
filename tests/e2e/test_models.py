"""What operators and administrators do about models on the pages: upstreams, use, quotas, texts, adapters."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from backend.academics import enrolments
from backend.inference import upstreams
from backend.kit.subject import Subject
from db import query
from inference_gateway.errors import GatewayUnavailable
from ops.runtime.ids import CourseId
from tests import campus
from tests.e2e.scene import Scene, staged
from tests.fakes.openai_server import openai_server
from tests.gateways import running_gateway
from tests.integration.inference.conftest import Place, add, ago, log_row
from tests.servers import Database

LOOK_AGAIN = "document.dispatchEvent(new CustomEvent('lyceum:refresh'))"
PARTS = ("", "/usage", "/usage?hours=168", "/quotas", "/adapters")
ROUTES = """
[upstreams.gpu-1]
address = "{url}"
model = "qwen3-8b-instruct"
[upstreams.cloud]
address = "{url}"
model = "a-hosted-model-with-a-name-that-is-longer-than-any-card-is-wide-2026-11-21"
external = true
[aliases]
"tutor@stable" = ["gpu-1", "cloud"]
"""


@dataclass
class Office(Scene):
    """A scene with somebody to look after, and a gateway that may be away."""

    administrator: Subject
    student: Subject
    course_id: CourseId

    async def used(self) -> None:
        """Requests of the last thirty days, in a course and in none."""
        place = Place(self.home.id, self.student.user_id, self.course_id)
        rows = [
            log_row(
                place,
                model="qwen3-8b-instruct"
                if number % 3
                else "a-hosted-model-with-a-name-that-is-longer-than-any-card-is-wide",
                course_id=self.course_id if number % 2 else None,
                prompt_tokens=900 + 7 * number,
                completion_tokens=120 + number,
                first_token_seconds=0.2 + number % 9 / 10,
                total_seconds=4.0,
                cache_hit=number % 11 == 0,
                error_code="upstream_broken" if number % 29 == 0 else "",
                finished_at=ago(seconds=5) - timedelta(hours=number * 2),
            )
            for number in range(330)
        ]
        await add(*rows)

    async def adapters(self) -> None:
        await query.execute(
            "INSERT INTO adapter_namespaces (id, tenant_id, name, owner_id) VALUES ($1, $2, 'learner-sam', $3)",
            UUID(int=1),
            self.home.id,
            self.student.user_id,
        )
        for number, (state, reason) in enumerate(
            (("active", ""), ("quarantined", "weights do not match their checksum"), ("revoked", "")), start=1
        ):
            await query.execute(
                """INSERT INTO adapters (id, tenant_id, namespace_id, sha256, manifest, base_revision, rank, target_modules,
                                         size_bytes, state, state_reason, is_pinned, revoked_at)
                   VALUES ($1, $2, $3, $4, '', 'a1b2c3d4e5f6a7b8', 8, '{q_proj}', 4_200_000, $5, $6, $7,
                           CASE WHEN $5 = 'revoked' THEN now() END)""",
                UUID(int=number),
                self.home.id,
                UUID(int=1),
                str(number) * 64,
                state,
                reason,
                number == 1,
            )


@pytest_asyncio.fixture(loop_scope="session")
async def scene(browser: Browser, database: Database, valkey_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    with openai_server() as fake:
        (tmp_path / "routes.toml").write_text(ROUTES.format(url=fake.url))
        with running_gateway(routes=tmp_path / "routes.toml") as gateway:
            key = base64.b64encode(gateway.key).decode()
            async with opened(browser, database, valkey_url, gateway_url=gateway.url, service_key=key) as office:
                yield office


@pytest_asyncio.fixture(loop_scope="session")
async def lonely(browser: Browser, database: Database, valkey_url: str) -> AsyncIterator[Office]:
    """Without a gateway."""
    async with opened(browser, database, valkey_url) as office:
        yield office


@asynccontextmanager
async def opened(browser: Browser, database: Database, valkey_url: str, **settings: str) -> AsyncIterator[Office]:
    async with staged(browser, database, valkey_url, **settings) as scene:
        admin, student = await scene.person("ada", "admin"), await scene.person("sam", "student")
        course = await campus.course(admin, await campus.place(admin, "SCI"), "C1")
        await enrolments.enrol(admin, course.id, student.user_id)
        yield Office(**vars(scene), administrator=admin, student=student, course_id=course.id)


async def test_whoever_neither_operates_nor_administers_is_not_let_in(scene: Office) -> None:
    visitor = await scene.arrive(scene.student)
    visitor.expected = {403}
    await expect(visitor.page.get_by_role("link", name="Models")).to_have_count(0)
    for part in PARTS:
        await visitor.open(f"/models{part}")
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("You may not open this page")


async def test_an_operator_drains_an_upstream_and_resumes_it(scene: Office) -> None:
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await page.get_by_role("link", name="Models").click()
    card = page.locator("li[data-key='gpu-1']")
    await expect(card.locator(".badge")).to_have_text("Works")
    await expect(page.locator("li[data-key=cloud]")).to_contain_text("texts leave the installation")
    await card.get_by_role("button", name="Drain").click()
    await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await expect(card.locator(".badge", has_text="Drained")).to_be_visible()
    await card.get_by_role("button", name="Resume").click()
    await expect(card.locator(".badge", has_text="Drained")).to_have_count(0)
    actions = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'upstream.%' ORDER BY id")
    assert actions == ["upstream.drained", "upstream.resumed"]
    await visitor.open("/models/quotas")
    await expect(page.locator("main form[data-api]")).to_have_count(0)


async def test_an_administrator_sets_quotas_and_a_student_sees_what_is_left(scene: Office) -> None:
    visitor = await scene.arrive(scene.administrator)
    visitor.expected = {400}
    page = visitor.page
    await visitor.open("/models")
    await expect(page.locator("main form[data-api]")).to_have_count(0)
    await page.get_by_role("link", name="Quotas").click()
    await expect(page.get_by_role("heading", name="No quotas")).to_be_visible()
    await page.get_by_role("button", name="Quota for all").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Set").click()
    await expect(dialog.locator(".error")).to_contain_text("limits tokens, requests, or both")
    await dialog.get_by_label("For", exact=True).select_option("person")
    await dialog.get_by_label("Tokens").fill("1000")
    await dialog.get_by_role("button", name="Set").click()
    await expect(page.locator("tbody tr")).to_contain_text("Each person")
    await page.get_by_role("button", name="For one course").click()
    await dialog.get_by_label("Requests").fill("3")
    await dialog.get_by_label("Refills in").select_option("3600")
    await dialog.get_by_role("button", name="Set").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("button", name="For one person").click()
    await dialog.get_by_label("Person").select_option(str(scene.student.user_id))
    await dialog.get_by_label("Tokens").fill("5000")
    await dialog.get_by_role("button", name="Set").click()
    await expect(page.locator("tbody tr")).to_have_count(3)

    learner = await scene.arrive(scene.student)
    await add(log_row(Place(scene.home.id, scene.student.user_id, scene.course_id), finished_at=ago(seconds=1)))
    await learner.open("/chat")
    left = learner.page.locator("#quota-left")
    await expect(left).to_have_text("\u20684,960\u2069 tokens left of your quota.")
    await learner.page.get_by_label("Course").select_option(str(scene.course_id))
    await expect(left).to_have_text("\u20682\u2069 questions left of your quota.")
    assert await learner.audit() == []

    own = page.locator("tbody tr", has_text="Sam")
    await own.get_by_role("button", name="Remove").click()
    await dialog.get_by_role("button", name="Remove").click()
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_without_a_quota_nothing_is_said_where_one_asks(scene: Office) -> None:
    learner = await scene.arrive(scene.student)
    async with learner.page.expect_response("**/quotas/remaining*"):
        await learner.open("/chat")
    await expect(learner.page.locator("#quota-left")).to_be_hidden()


async def test_what_may_be_done_with_texts_is_asked_before_it_is_allowed(scene: Office) -> None:
    visitor = await scene.arrive(scene.administrator)
    page = visitor.page
    await visitor.open("/models/quotas")
    policy = page.locator("[aria-labelledby=policy-title] li")
    for row in (0, 1):
        await expect(policy.nth(row).locator(".badge")).to_have_text("Forbidden")
        await policy.nth(row).get_by_role("button").click()
        await page.get_by_role("dialog").get_by_role("button", name="Allow").click()
        await expect(policy.nth(row).locator(".badge")).to_have_text("Allowed")
    await policy.nth(0).get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name="Forbid").click()
    await expect(policy.nth(0).locator(".badge")).to_have_text("Forbidden")
    row = await query.fetch_value("SELECT text_may_leave AND consented_at IS NULL FROM inference_policies")
    assert row is True
    await policy.nth(2).get_by_role("button", name="Forget all").click()
    await page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
    await expect(page.locator(".toast")).to_have_text("The kept answers are forgotten.")


@pytest.mark.parametrize("hours", [24, 168, 720])
async def test_use_is_drawn_and_told_in_tables(scene: Office, hours: int) -> None:
    await scene.used()
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open(f"/models/usage?hours={hours}")
    await expect(page.locator(".chart canvas")).to_have_count(3)
    await expect(page.locator("[aria-labelledby=by-model] tbody tr")).to_have_count(2)
    await expect(page.locator("[aria-labelledby=by-course] tbody")).to_contain_text("Course C1")
    told = await page.locator(".sums dd").first.inner_text()
    assert int(told.replace(",", "")) == pytest.approx(min(330, hours / 2), abs=13)


async def test_without_the_gateway_the_page_says_so_and_the_others_work(lonely: Office) -> None:
    visitor = await lonely.arrive(lonely.operator)
    page = visitor.page
    await visitor.open("/models")
    await expect(page.get_by_role("heading", name="The inference gateway does not answer")).to_be_visible()
    await expect(page.locator("main form[data-api]")).to_have_count(0)
    for part in PARTS[1:]:
        await visitor.open(f"/models{part}")
        await expect(page.locator(".tabs a[aria-current]")).to_have_count(1)


async def test_a_gateway_that_goes_and_comes_back_is_seen_without_a_reload(
    scene: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await scene.arrive(scene.operator)
    page = visitor.page
    await visitor.open("/models")
    cards, names = page.locator("#upstreams > ul.grid > li.queue"), page.get_by_role("heading", name="Names")
    await expect(cards).to_have_count(2)

    async def away(*_: object) -> NoReturn:
        raise GatewayUnavailable

    with monkeypatch.context() as gone:
        gone.setattr(upstreams, "list_upstreams", away)
        await page.evaluate(LOOK_AGAIN)
        await expect(page.get_by_role("heading", name="The inference gateway does not answer")).to_be_visible()
        await expect(page.locator("#upstreams ul")).to_have_count(0)
        await expect(names).to_have_count(0)
    await page.evaluate(LOOK_AGAIN)
    await expect(cards).to_have_count(2)
    await expect(names).to_be_visible()


@pytest.mark.parametrize(
    ("language", "width"),
    [("ar", 360), *(pytest.param(*each, marks=pytest.mark.long) for each in (("en", 360), ("ar", 1280)))],
)
async def test_the_pages_are_fit_for_use(scene: Office, language: str, width: int) -> None:
    await scene.used()
    await scene.adapters()
    visitor = await scene.arrive(scene.administrator, width=width, height=740)
    assert await visitor.call("PATCH", "/api/v1/me", {"locale": language}) == 200
    of_course = {"level": "course", "subject_id": str(scene.course_id), "requests": 200}
    for body in ({"level": "tenant", "tokens": 5_000_000}, of_course):
        assert await visitor.call("POST", "/api/v1/inference/quotas", body) == 200
    wrong = {}
    for part in PARTS:
        await visitor.open(f"/models{part}")
        await expect(visitor.page.locator("html")).to_have_attribute("lang", language)
        if part.startswith("/usage"):
            await expect(visitor.page.locator(".chart canvas")).to_have_count(3)
        if found := await visitor.audit():
            wrong[part] = found
    assert wrong == {}
