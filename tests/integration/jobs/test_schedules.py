"""Schedules: one firing for each due time, what becomes of missed ones, and what operators are told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from actors.scheduler import fire_due
from backend.jobs import firing, history
from backend.jobs.jobs import PURGE, PurgeArgs
from db import query
from db.jobs import JobError
from db.repositories import jobs, schedules
from db.repositories.schedules import FiringRow, ScheduleRow
from db.unit_of_work import unit_of_work
from ops.runtime.ids import new_id
from tests import campus
from tests.api import Api, problem, running
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.test_job_table import WORK
from tests.integration.jobs.test_limits import claimed, enqueue, succeed
from tests.servers import Database

ROW = ScheduleRow(
    id=new_id(),
    tenant_id=new_id(),
    user_id=None,
    name="purge",
    kind=PURGE.name,
    args='{"older_than_days": 7}',
    cron="*/10 * * * *",
    timezone="UTC",
    missed="once",
    max_missed=1,
    is_enabled=True,
    next_at=None,
    created_at=datetime.now(UTC),
    updated_at=datetime.now(UTC),
)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def due(someone: Someone, **changes: Any) -> ScheduleRow:
    """A schedule that is due this minute and no other of the year, however long the test takes."""
    now: datetime = await query.fetch_value("SELECT date_trunc('minute', now())")
    cron = f"{now.minute} {now.hour} {now.day} {now.month} *"
    row = msgspec.structs.replace(
        ROW, **({"id": new_id(), "tenant_id": someone.tenant_id, "next_at": now, "cron": cron} | changes)
    )
    async with unit_of_work() as uow:
        await schedules.put(uow, row)
    return row


async def firings(schedule_id: UUID) -> list[FiringRow]:
    return (await schedules.firings(schedule_id, None, 100))[::-1]


async def test_a_due_schedule_fires_once_whoever_looks(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "GRACE", timedelta(hours=1))  # the minute may be almost over
    rows = [await due(someone, name=str(number), kind=PURGE.name) for number in range(10)]
    seen = await schedules.due()
    await asyncio.gather(*(firing.fire(row) for row in seen for _ in range(3)), fire_due(), fire_due())
    for row in rows:
        (made,) = await firings(row.id)
        assert (made.cause, made.due_at) == ("due", row.next_at)
    kept = await query.fetch_values("SELECT next_at > now() FROM schedules")
    assert kept == [True] * 10


async def test_a_clock_that_saw_it_before_the_other_fired_does_nothing(someone: Someone) -> None:
    await due(someone)
    (seen,) = await schedules.due()
    assert len(await firing.fire(seen)) == 1
    assert await firing.fire(seen) == []


async def test_a_schedule_that_cannot_be_fired_holds_up_no_other(someone: Someone) -> None:
    broken = await due(someone, name="broken", kind="no.such")
    wrong = await due(someone, name="wrong", args='{"days": 1}')
    forbidden = await due(someone, name="forbidden", kind=WORK.name, args='{"name": "x"}')
    right = await due(someone, name="right")
    await fire_due()
    for row in (broken, wrong, forbidden):
        assert [(made.cause, made.job_id) for made in await firings(row.id)] == [("refused", None)]
    (made,) = await firings(right.id)
    assert made.job_id is not None
    job = await jobs.get(made.job_id, someone.tenant_id)
    assert job is not None
    assert (job.kind, job.state) == (PURGE.name, "queued")


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", [("skipped", 0)]),
        ("once", [("skipped", 0), ("missed", 30)]),
        ("all", [("skipped", 0), ("missed", 20), ("missed", 30)]),
    ],
)
def test_what_becomes_of_missed_times(missed: Any, expected: list[tuple[str, int]]) -> None:
    """No clock ran from 12:00 to 12:35; due every ten minutes."""
    row = msgspec.structs.replace(ROW, next_at=NOON, missed=missed, max_missed=2)
    plan = firing.plan_firings(row, NOON + timedelta(minutes=35))
    assert [(cause, (at - NOON) / timedelta(minutes=1)) for cause, at in plan.firings] == expected
    assert plan.next_at == NOON + timedelta(minutes=40)


def test_a_time_that_has_just_come_is_not_missed() -> None:
    for missed in ("skip", "once", "all"):
        row = msgspec.structs.replace(ROW, next_at=NOON, missed=missed)
        assert firing.plan_firings(row, NOON + timedelta(seconds=2)).firings == [("due", NOON)]


async def test_what_ended_long_ago_is_purged_with_all_that_belongs_to_it(someone: Someone) -> None:
    old, dead, fresh, waiting = await enqueue(WORK, someone, "a", "b", "c", "d")
    for job_id in (old, fresh):
        await succeed(await claimed(job_id))
    async with unit_of_work() as uow:
        await jobs.bury(uow, dead, JobError(type="x", detail="x"))
    await query.execute("UPDATE jobs SET finished_at = now() - interval '31 days' WHERE id = ANY($1)", [old, dead])
    assert await history.purge_jobs() == 2
    assert await history.purge_jobs() == 0
    assert set(await query.fetch_values("SELECT id FROM jobs")) == {fresh, waiting}
    assert await query.fetch_values("SELECT DISTINCT job_id FROM job_events") == [fresh]
    assert await query.fetch_values("SELECT DISTINCT job_id FROM job_attempts") == [fresh]


async def test_children_are_kept_for_their_parent(someone: Someone) -> None:
    parent, child = await enqueue(WORK, someone, "a", "b")
    await query.execute("UPDATE jobs SET parent_id = $2 WHERE id = $1", child, parent)
    await succeed(await claimed(child))
    await query.execute("UPDATE jobs SET finished_at = now() - interval '31 days' WHERE id = $1", child)
    assert await history.purge_jobs() == 0
    await succeed(await claimed(parent))
    assert await history.purge_jobs() == 1


@pytest.fixture
async def api(database: Database, valkey_url: str) -> AsyncIterator[Api]:
    async with running(database.url, valkey_url) as opened:
        yield opened


NEW = {"name": "nightly", "kind": PURGE.name, "args": {"older_than_days": 7}, "cron": "0 3 * * *"}


async def test_operators_make_change_run_and_delete_schedules(api: Api) -> None:
    home = await campus.tenant("home")
    operator, reader = await campus.person(home, "oda", "ops"), await campus.person(home, "ada", "admin")
    client, looking = [await api.signed_in(await signed_in(person)) for person in (operator, reader)]
    made = (await client.post("/api/v1/ops/schedules", json=NEW | {"timezone": "Asia/Amman"})).json()
    assert made["next_at"].endswith("T00:00:00Z")
    address = f"/api/v1/ops/schedules/{made['id']}"
    assert (await client.post("/api/v1/ops/schedules", json=NEW)).status_code == 409
    assert (await looking.post("/api/v1/ops/schedules", json=NEW | {"name": "x"})).status_code == 403
    assert (await looking.get(address)).json() == made

    fired = (await client.post(f"{address}/run")).json()
    assert (await client.get(f"/api/v1/jobs/{fired['job_id']}")).json()["kind"] == PURGE.name
    assert (await looking.get(f"{address}/firings")).json()["items"] == [fired]
    off = (await client.patch(address, json={"is_enabled": False})).json()
    assert (off["next_at"], off["args"]) == (None, {"older_than_days": 7})
    moved = (await client.patch(address, json={"is_enabled": True, "timezone": "UTC"})).json()
    assert moved["next_at"].endswith("T03:00:00Z")
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).status_code == 404
    acts = await query.fetch_values("SELECT action FROM audit_log WHERE action LIKE 'schedule.%' ORDER BY id")
    expected = ["schedule.created", "schedule.run", "schedule.changed", "schedule.changed", "schedule.deleted"]
    assert acts == expected


async def signed_in(person: Any) -> Any:
    opened = await campus.sign_in(person.user_id)
    return msgspec.structs.replace(person, session_id=opened.session_id)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"cron": "0 0 30 2 *"}, "/cron"),
        ({"cron": "0 0 31 4,6,9,11 *"}, "/cron"),
        ({"cron": "often"}, "/cron"),
        ({"cron": "* * * * * *"}, "/cron"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": "../../etc/passwd"}, "/timezone"),
        ({"kind": "no.such"}, "/kind"),
        ({"kind": "documents.ingest"}, "/kind"),
        ({"args": {}}, "/args/older_than_days"),
        ({"args": {"older_than_days": 0}}, "/args/older_than_days"),
        ({"args": {"older_than_days": 7, "tenant_id": "x"}}, "/args/tenant_id"),
    ],
)
async def test_what_could_never_work_is_refused_with_its_place(api: Api, wrong: dict[str, Any], pointer: str) -> None:
    operator = await campus.person(await campus.tenant("home"), "oda", "ops")
    client = await api.signed_in(await signed_in(operator))
    answer = await client.post("/api/v1/ops/schedules", json=NEW | wrong)
    document = problem(answer, 422, "schedule-refused")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


async def test_the_next_times_are_told_before_there_is_a_schedule(api: Api) -> None:
    home = await campus.tenant("home")
    operator = await api.signed_in(await signed_in(await campus.person(home, "oda", "ops")))
    address = "/api/v1/ops/schedules/times"
    asked = {"cron": "0 3 1 * *", "timezone": "Asia/Amman"}
    times = (await operator.get(address, params=asked)).json()["items"]
    assert len(times) == 5
    assert {time[8:] for time in times} == {"01T03:00:00+03:00"}
    for wrong, pointer in (({"cron": "often"}, "/cron"), ({"timezone": "Mars/Olympus"}, "/timezone")):
        document = problem(await operator.get(address, params=asked | wrong), 422, "schedule-refused")
        assert document["errors"][0]["pointer"] == pointer
    student = await api.signed_in(await signed_in(await campus.person(home, "sue", "student")))
    problem(await student.get(address, params=asked), 403, "permission-missing")


def test_the_arguments_of_the_example_are_right() -> None:
    assert msgspec.convert(NEW["args"], PurgeArgs) == PurgeArgs(older_than_days=7)
