"""What administrators and operators do about models through the API: upstreams, quotas, policy, use, adapters."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from backend.academics import controller as academics
from backend.inference import controller as inference
from backend.kit.subject import Subject
from db import query
from db.repositories import quotas
from db.repositories.inference import LogRow
from db.repositories.quotas import PolicyRow
from db.unit_of_work import UnitOfWork
from inference_gateway.cache.answers import AnswerCache
from inference_gateway.contract import ChatDelta
from inference_gateway.ports import CachedAnswer
from inference_gateway.records.policies import TenantPolicies
from ops.runtime.ids import CourseId
from tests import api, campus
from tests.api import problem
from tests.fakes import fixtures
from tests.fakes.server import FakeServer
from tests.gateways import running_gateway
from tests.integration.inference.conftest import Place, add, ago, log_row
from tests.servers import Database
from tests.waiting import away_from_the_turn

V1 = "/api/v1/inference"
DAY = 86_400
fake_openai = fixtures.fake_openai


@dataclass(frozen=True)
class Office:
    """Clients by role, and the people they are."""

    admin: httpx.AsyncClient
    ops: httpx.AsyncClient
    student: httpx.AsyncClient
    stranger: httpx.AsyncClient
    administrator: Subject
    learner: Subject
    course_id: CourseId
    app: Any

    def row(self, **fields: Any) -> LogRow:
        """A request of the learner in the course."""
        place = Place(self.learner.tenant_id, self.learner.user_id, self.course_id)
        return log_row(place, **fields)


async def opened(database: Database, valkey_url: str, **others: Any) -> AsyncIterator[Office]:
    controllers = [*inference.controllers, *academics.controllers]
    async with api.running(database.url, valkey_url, controllers=controllers, **others) as running:
        home, away = await campus.tenant("home"), await campus.tenant("away")
        admin = await campus.person(home, "ada", "admin")
        course = await campus.course(admin, await campus.place(admin, "SCI"), "C1")
        student = await campus.person(home, "sam", "student")
        client = await running.signed_in(admin)
        enrolled = await client.post(f"/api/v1/courses/{course.id}/enrolments", json={"user_id": str(student.user_id)})
        assert enrolled.status_code == 201
        yield Office(
            admin=client,
            ops=await running.signed_in(await campus.person(home, "oda", "ops")),
            student=await running.signed_in(student),
            stranger=await running.signed_in(await campus.person(away, "eve", "admin", "ops")),
            administrator=admin,
            learner=student,
            course_id=course.id,
            app=running.app,
        )


@pytest.fixture
async def office(database: Database, valkey_url: str) -> AsyncIterator[Office]:
    """No gateway runs."""
    async for one in opened(database, valkey_url):
        yield one


@pytest.fixture
async def staffed(
    database: Database, valkey_url: str, fake_openai: FakeServer, tmp_path: Path
) -> AsyncIterator[Office]:
    """A gateway with two upstreams runs."""
    routes = tmp_path / "routes.toml"
    routes.write_text(
        f"""
        [upstreams.first]
        address = "{fake_openai.url}"
        [upstreams.spare]
        address = "{fake_openai.url}"
        [aliases]
        "tutor@stable" = ["first", "spare"]
        """
    )
    with running_gateway(routes=routes) as gateway:
        key = base64.b64encode(gateway.key).decode()
        async for one in opened(database, valkey_url, gateway_url=gateway.url, service_key=key):
            yield one


async def audited() -> list[str]:
    return await query.fetch_values(
        "SELECT action FROM audit_log WHERE action ~ '^(quota|upstream|inference_policy|answers)' ORDER BY id"
    )


async def test_operators_see_the_upstreams_and_take_one_out_of_use(staffed: Office) -> None:
    seen = (await staffed.admin.get(f"{V1}/upstreams")).raise_for_status().json()
    assert [(one["name"], one["breaker"], one["draining"]) for one in seen["upstreams"]] == [
        ("first", "closed", False),
        ("spare", "closed", False),
    ]
    assert seen["aliases"] == [{"name": "tutor@stable", "stages": [["first"], ["spare"]]}]
    assert "127.0.0.1" not in str(seen), "addresses are told to nobody"
    problem(await staffed.admin.post(f"{V1}/upstreams/spare/drain"), 403, "permission-missing")
    drained = await staffed.ops.post(f"{V1}/upstreams/spare/drain")
    assert drained.json()["draining"] is True
    assert (await staffed.ops.get(f"{V1}/upstreams")).json()["upstreams"][1]["draining"] is True
    assert (await staffed.ops.post(f"{V1}/upstreams/spare/resume")).json()["draining"] is False
    problem(await staffed.ops.post(f"{V1}/upstreams/nobody/drain"), 404, "upstream-not-found")
    assert await audited() == ["upstream.drained", "upstream.resumed"]


async def test_without_a_gateway_upstreams_are_503_and_the_rest_works(office: Office) -> None:
    problem(await office.ops.get(f"{V1}/upstreams"), 503, "dependency-unavailable")
    problem(await office.ops.post(f"{V1}/upstreams/first/drain"), 503, "dependency-unavailable")
    for path in ("quotas", "policy", "adapters", "usage"):
        assert (await office.admin.get(f"{V1}/{path}")).status_code == 200
    assert await audited() == [], "what was not done is not in the audit log"


async def test_who_neither_operates_nor_administers_sees_nothing(office: Office) -> None:
    for path in ("upstreams", "quotas", "policy", "adapters", "usage"):
        problem(await office.student.get(f"{V1}/{path}"), 403, "permission-missing")
    problem(await office.ops.post(f"{V1}/quotas", json={"level": "tenant", "tokens": 9}), 403, "permission-missing")
    problem(await office.ops.patch(f"{V1}/policy", json={"keeps_text": True}), 403, "permission-missing")
    assert (await office.admin.get(f"{V1}/quotas")).json()["items"] == []
    assert not (await office.admin.get(f"{V1}/policy")).json()["keeps_text"]


async def test_quotas_are_set_replaced_and_taken_away(office: Office) -> None:
    async def put(**body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await office.admin.post(f"{V1}/quotas", json=body)).raise_for_status().json()
        return answer

    tenant = await put(level="tenant", tokens=1_000_000)
    assert (tenant["tokens"], tenant["requests"], tenant["period_seconds"]) == (1_000_000, None, DAY)
    assert (await put(level="tenant", tokens=5, requests=7))["id"] == tenant["id"], "one for the same takes its place"
    await put(level="person", requests=100, period_seconds=3600)
    course = await put(level="course", subject_id=str(office.course_id), tokens=9)
    person = await put(level="person", subject_id=str(office.learner.user_id), tokens=8)
    assert (course["name"], person["name"]) == ("Course C1", "Sam")
    listed = (await office.ops.get(f"{V1}/quotas")).json()["items"]
    assert [(one["level"], one["name"]) for one in listed] == [
        ("tenant", None),
        ("person", None),
        ("person", "Sam"),
        ("course", "Course C1"),
    ]
    assert (await office.admin.delete(f"{V1}/quotas/{course['id']}")).status_code == 204
    problem(await office.admin.delete(f"{V1}/quotas/{course['id']}"), 404, "quota-not-found")
    problem(await office.stranger.delete(f"{V1}/quotas/{tenant['id']}"), 404, "quota-not-found")
    assert len((await office.admin.get(f"{V1}/quotas")).json()["items"]) == 3
    assert (await office.stranger.get(f"{V1}/quotas")).json()["items"] == []
    assert await audited() == ["quota.set"] * 5 + ["quota.deleted"]


@pytest.mark.parametrize(
    ("body", "status", "slug", "pointer"),
    [
        ({"level": "tenant"}, 400, "invalid-input", "/tokens"),
        ({"level": "tenant", "tokens": 0}, 400, "invalid-input", "/tokens"),
        ({"level": "tenant", "tokens": 1, "period_seconds": 59}, 400, "invalid-input", "/period_seconds"),
        ({"level": "tenant", "tokens": 1, "subject_id": str(UUID(int=1))}, 400, "invalid-input", "/subject_id"),
        ({"level": "faculty", "tokens": 1}, 400, "invalid-input", "/level"),
        ({"level": "course", "tokens": 1, "subject_id": str(UUID(int=1))}, 404, "course-not-found", None),
        ({"level": "person", "tokens": 1, "subject_id": str(UUID(int=1))}, 404, "person-not-found", None),
    ],
    ids=str,
)
async def test_quotas_that_cannot_be(
    office: Office, body: dict[str, Any], status: int, slug: str, pointer: str | None
) -> None:
    document = problem(await office.admin.post(f"{V1}/quotas", json=body), status, slug)
    assert [error["pointer"] for error in document.get("errors", [])] == ([pointer] if pointer else [])


async def test_a_persons_own_and_anothers_course_are_foreign_to_the_stranger(office: Office) -> None:
    for level, subject_id in (("course", office.course_id), ("person", office.learner.user_id)):
        body = {"level": level, "subject_id": str(subject_id), "tokens": 1}
        assert (await office.stranger.post(f"{V1}/quotas", json=body)).status_code == 404


async def test_a_person_sees_what_is_left_where_a_quota_is_set(office: Office) -> None:
    here = f"{V1}/quotas/remaining"
    assert (await office.student.get(here)).json()["items"] == []
    for body in ({"level": "person", "tokens": 1000, "requests": 10}, {"level": "course", "tokens": 500}):
        (await office.admin.post(f"{V1}/quotas", json=body)).raise_for_status()
    await add(office.row(finished_at=ago(seconds=1)), office.row(finished_at=ago(seconds=1), cache_hit=True))
    (own,) = (await office.student.get(here)).json()["items"]
    assert (own["level"], own["tokens"], own["tokens_left"], own["requests_left"]) == ("person", 1000, 960, 9)
    both = (await office.student.get(here, params={"course_id": str(office.course_id)})).json()["items"]
    assert {one["level"]: one["tokens_left"] for one in both} == {"course": 460, "person": 960}
    problem(await office.student.get(here, params={"course_id": str(UUID(int=1))}), 404, "course-not-found")
    assert (await office.stranger.get(here)).json()["items"] == []


async def test_the_policy_says_what_may_be_done_with_texts_and_the_gateway_heeds_it(office: Office) -> None:
    here, tenant_id = f"{V1}/policy", office.learner.tenant_id
    policies = TenantPolicies()
    nothing = {"keeps_text": False, "since": None, "text_may_leave": False}
    assert (await office.admin.get(here)).json() == nothing
    kept = (await office.admin.patch(here, json={"keeps_text": True})).json()
    assert (kept["keeps_text"], kept["text_may_leave"]) == (True, False)
    both = (await office.admin.patch(here, json={"text_may_leave": True})).json()
    assert both == kept | {"text_may_leave": True}, "a consent that stands keeps its date"
    await policies.refresh()
    assert (policies.keeps_text(tenant_id), policies.text_may_leave(tenant_id)) == (True, True)
    assert (await office.admin.patch(here, json={"keeps_text": False, "text_may_leave": False})).json() == nothing
    await policies.refresh()
    assert (policies.keeps_text(tenant_id), policies.text_may_leave(tenant_id)) == (False, False)
    assert (await office.stranger.get(here)).json() == nothing
    assert await audited() == ["inference_policy.changed"] * 3


async def test_of_two_changes_of_the_policy_at_once_neither_undoes_the_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, put = f"{V1}/policy", quotas.put_policy
    (await office.admin.patch(here, json={"text_may_leave": True})).raise_for_status()

    async def put_slowly(uow: UnitOfWork, row: PolicyRow, updated_by: UUID | None) -> None:
        await asyncio.sleep(0.3)
        await put(uow, row, updated_by)

    monkeypatch.setattr(quotas, "put_policy", put_slowly)
    changes = ({"text_may_leave": False}, {"keeps_text": True})
    answers = await asyncio.gather(*(office.admin.patch(here, json=change) for change in changes))
    assert [answer.status_code for answer in answers] == [200, 200]
    policy = (await office.admin.get(here)).json()
    assert (policy["text_may_leave"], policy["keeps_text"]) == (False, True)


async def test_the_tenants_kept_answers_are_forgotten_and_no_others(office: Office) -> None:
    answers = AnswerCache(office.app.state.redis, b"k" * 32)
    kept = CachedAnswer(deltas=(ChatDelta(text="Blue."),), model="m", upstream="u")
    await answers.put("response:1", kept, (f"tenant:{office.learner.tenant_id}",))
    await answers.put("response:2", kept, (f"tenant:{UUID(int=2)}",))
    assert (await office.admin.delete(f"{V1}/answers")).json() == {"count": 1}
    assert await answers.get("response:1") is None
    assert await answers.get("response:2") == kept
    assert await audited() == ["answers.forgotten"]


@pytest.mark.parametrize(("hours", "step", "steps"), [(24, 3600, 24), (168, 21_600, 28), (720, DAY, 30)])
async def test_use_over_time_and_by_model_and_course(office: Office, hours: int, step: int, steps: int) -> None:
    await away_from_the_turn(3600)
    now = datetime.now(UTC)
    await add(
        office.row(model="a", finished_at=now),
        office.row(model="b", finished_at=now, course_id=None, prompt_tokens=1000, error_code="quota_exhausted"),
        office.row(model="a", finished_at=now, cache_hit=True, degraded=True),
        office.row(model="a", finished_at=now - timedelta(hours=hours + 25)),
    )
    used = (await office.ops.get(f"{V1}/usage", params={"hours": hours})).raise_for_status().json()
    assert (used["step_seconds"], len(used["at"])) == (step, steps)
    assert {end - start for start, end in zip(used["at"], used["at"][1:], strict=False)} == {step}
    assert all(at % step == 0 for at in used["at"])
    assert used["at"][-1] <= now.timestamp() < used["at"][-1] + step
    last = {name: used[name][-1] for name in ("requests", "failed", "cache_hits", "degraded")}
    assert last == {"requests": 3, "failed": 1, "cache_hits": 1, "degraded": 1}
    assert (used["prompt_tokens"][-1], used["completion_tokens"][-1]) == (1010, 60)
    assert sum(used["requests"]) == 3
    assert [(one["key"], one["requests"], one["prompt_tokens"]) for one in used["by_model"]] == [
        ("b", 1, 1000),
        ("a", 2, 10),
    ]
    assert [(one["name"], one["completion_tokens"]) for one in used["by_course"]] == [(None, 30), ("Course C1", 30)]
    assert sum((await office.stranger.get(f"{V1}/usage", params={"hours": hours})).json()["requests"]) == 0


async def test_shares_are_of_the_same_time_as_the_steps(office: Office) -> None:
    await away_from_the_turn(DAY)
    begins = (await office.ops.get(f"{V1}/usage", params={"hours": 720})).json()["at"][0]
    before, after = (datetime.fromtimestamp(begins + seconds, UTC) for seconds in (-1, 1))
    await add(office.row(finished_at=before), office.row(finished_at=after))
    used = (await office.ops.get(f"{V1}/usage", params={"hours": 720})).json()
    assert sum(used["requests"]) == 1
    assert [share["requests"] for share in (*used["by_model"], *used["by_course"])] == [1, 1]


async def test_adapters_are_listed_with_their_state(office: Office) -> None:
    tenant_id, owner = office.learner.tenant_id, office.learner.user_id
    await query.execute(
        "INSERT INTO adapter_namespaces (id, tenant_id, name, owner_id) VALUES ($1, $2, 'sam', $3)",
        UUID(int=1),
        tenant_id,
        owner,
    )
    for number, state in enumerate(("active", "quarantined"), start=1):
        await query.execute(
            """INSERT INTO adapters (id, tenant_id, namespace_id, sha256, manifest, base_revision, rank, target_modules,
                                     size_bytes, state, state_reason, is_pinned)
               VALUES ($1, $2, $3, $4, '', 'r1', 8, '{q_proj}', 1000, $5, '', false)""",
            UUID(int=number),
            tenant_id,
            UUID(int=1),
            str(number) * 64,
            state,
        )
    first = (await office.ops.get(f"{V1}/adapters", params={"limit": 1})).json()
    (one,) = first["items"]
    assert (one["name"], one["state"], one["owner_id"]) == (f"sam@{'1' * 64}", "active", str(owner))
    assert "manifest" not in one
    rest = (await office.ops.get(f"{V1}/adapters", params={"cursor": first["next_cursor"]})).json()
    assert [item["state"] for item in rest["items"]] == ["quarantined"]
    assert (await office.stranger.get(f"{V1}/adapters")).json()["items"] == []
