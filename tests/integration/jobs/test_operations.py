"""What operators see of single jobs, and do about them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors.actor import REGISTRY, Actor
from backend.jobs import operations, schedules, service
from backend.jobs.errors import JobNotCancellable, JobObsolete, JobReplaced, JobStateForbids
from backend.jobs.schemas import JobFilter, NewSchedule
from db import query
from db.enqueue import Place
from db.jobs import EndedJob, JobError, JobKind
from db.repositories import claims, job_families, job_upkeep, jobs
from db.repositories.workers import add_worker
from db.unit_of_work import UnitOfWork, unit_of_work
from ops.runtime.context import bind_request
from ops.runtime.ids import JobId, new_id
from tests.api import problem
from tests.integration.jobs.operating import BROKEN, ClockWithoutRedis, Scene, claimed, fail, operating
from tests.integration.jobs.test_job_table import WORK, Work
from tests.integration.jobs.test_limits import succeed
from tests.servers import Database

UPKEEP: JobKind[Work] = msgspec.structs.replace(WORK, name="test.upkeep", cancellable=False)
OTHER: JobKind[Work] = msgspec.structs.replace(WORK, name="test.other", queue="exams", concurrency_per_tenant=100)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def scene(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with operating(database, valkey_url) as opened:
        yield opened


async def test_a_timeline_tells_every_attempt_and_where_the_job_comes_from(scene: Scene) -> None:
    made = NewSchedule(name="purge", kind="jobs.purge", args={"older_than_days": 90}, cron="0 3 * * *")
    schedule = await schedules.create_schedule(scene.operator, made)
    with bind_request("req-7"):
        job_id = (await schedules.run_now(scene.operator, schedule.id)).job_id
    assert job_id is not None
    await query.execute("UPDATE jobs SET traceparent = $1", f"00-{TRACE}-00f067aa0ba902b7-01")
    worker = new_id()
    await add_worker(worker, "here", 7, ["default"])
    claim = await claims.claim(job_id, worker, 60)
    assert claim is not None
    await query.execute("UPDATE job_attempts SET started_at = now() - interval '90 seconds'")
    await fail(claim, BROKEN, 0.0)
    await claimed(job_id)
    async with unit_of_work() as uow:
        after = await uow.enqueue(WORK, Work(""), subject=scene.operator, place=Place(after_id=job_id))
        for _ in range(2):
            await uow.enqueue(WORK, Work(""), subject=scene.operator, place=Place(parent_id=job_id))

    told = await operations.timeline(scene.operator, job_id)
    first, second = told.attempts
    assert (first.number, first.outcome, first.error) == (1, "failed", BROKEN)
    assert first.worker is not None
    assert (first.worker.host, first.worker.pid) == ("here", 7)
    assert 90 <= first.duration_seconds < 120
    assert (second.number, second.outcome, second.finished_at, second.worker) == (2, None, None, None)
    assert (told.request_id, told.trace_id, told.children) == ("req-7", TRACE, {"queued": 2})
    assert told.fired_by is not None
    assert (told.fired_by.schedule_id, told.fired_by.name, told.fired_by.cause) == (schedule.id, "purge", "manual")

    predecessor = (await operations.timeline(scene.operator, after)).predecessor
    assert predecessor is not None
    assert (predecessor.id, predecessor.kind, predecessor.state) == (job_id, "jobs.purge", "running")
    child = (await job_families.children(job_id))[0]
    parent = (await operations.timeline(scene.operator, child.id)).parent
    assert parent is not None
    assert parent.id == job_id


async def test_a_dead_job_starts_again_with_its_whole_schedule(scene: Scene) -> None:
    job_id = await scene.one("a")
    for _ in range(WORK.retry.max_attempts):
        await fail(await claimed(job_id), BROKEN, 0.0)
    assert await scene.state(job_id) == "dead"
    await query.execute("UPDATE jobs SET expires_at = now() - interval '1 day'")

    view = await operations.retry_job(scene.operator, job_id)
    assert (view.state, view.attempts, view.max_attempts, view.finished_at) == ("queued", 3, 6, None)
    await query.execute("UPDATE jobs SET created_at = now() - interval '1 minute'")
    assert [row.id for row in await job_upkeep.jobs_to_push([])] == [job_id]
    for attempt in (4, 5, 6):
        claim = await claimed(job_id)
        assert claim.attempt == attempt
        await fail(claim, BROKEN, 0.0)
    assert await scene.state(job_id) == "dead"
    assert [event.type for event in await jobs.events_after(job_id, 6)][:2] == ["queued", "started"]
    assert await scene.acts() == ["job.retried"]


async def test_a_job_that_waits_for_its_time_starts_now(scene: Scene) -> None:
    job_id = await scene.one("a")
    await fail(await claimed(job_id), BROKEN, 3600.0)
    assert await claims.claim(job_id, new_id(), 60) is None
    view = await operations.retry_job(scene.operator, job_id)
    assert (view.state, view.retry_at, view.max_attempts) == ("queued", None, 4)
    await claimed(job_id)


async def test_what_cannot_be_done_in_a_state_is_refused_and_leaves_no_trace(scene: Scene) -> None:
    queued, running = await scene.queued("q", "r")
    ended, claim = await scene.one("e"), await claimed(running)
    await succeed(await claimed(ended))
    for job_id, state in ((queued, "queued"), (running, "running"), (ended, "succeeded")):
        with pytest.raises(JobStateForbids, match=state):
            await operations.retry_job(scene.operator, job_id)
    for job_id in (running, ended):
        with pytest.raises(JobStateForbids):
            await operations.discard_job(scene.operator, job_id)
        with pytest.raises(JobStateForbids):
            await operations.set_priority(scene.operator, job_id, 1)
    await operations.discard_job(scene.operator, queued)
    with pytest.raises(JobStateForbids, match="being cancelled"):
        await operations.discard_job(scene.operator, queued)
    assert await jobs.renew(claim, 60) == "held"
    assert await scene.acts() == ["job.discarded"]


async def test_work_that_another_job_does_is_not_done_twice(scene: Scene) -> None:
    (dead,) = await scene.dead("a")
    twin = await scene.one("a")
    assert twin != dead
    with pytest.raises(JobReplaced):
        await operations.retry_job(scene.operator, dead)
    assert await scene.state(dead) == "dead"
    assert await scene.acts() == []


async def test_a_discarded_job_ends_and_its_domain_is_told_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[tuple[JobId, JobError | None]] = []

    async def on_end(_uow: UnitOfWork, job: EndedJob, _args: Work) -> None:
        ends.append((job.job_id, job.error))

    async def run(_job: object) -> None:
        raise AssertionError

    monkeypatch.setitem(REGISTRY, WORK.name, Actor(kind=WORK, run=run, on_end=on_end))
    waiting = await scene.one("w")
    (dead,) = await scene.dead("d")
    assert (await operations.discard_job(scene.operator, waiting)).cancel_requested
    await ClockWithoutRedis().tick()
    view = await operations.discard_job(scene.operator, dead)
    assert (view.state, view.error) == ("cancelled", BROKEN)
    await ClockWithoutRedis().tick()
    assert await scene.state(waiting) == "cancelled"
    assert ends == [(waiting, None)]
    assert await operations.dead_groups(scene.operator) == []
    assert await scene.acts() == ["job.discarded", "job.discarded"]


async def test_upkeep_that_waits_cannot_be_discarded(scene: Scene) -> None:
    job_id = await scene.one(kind=UPKEEP)
    with pytest.raises(JobNotCancellable):
        await operations.discard_job(scene.operator, job_id)


async def test_a_family_starts_again_by_its_parent(scene: Scene) -> None:
    parent = await scene.one("p")
    claim = await claimed(parent)
    async with unit_of_work() as uow:
        for name in "ab":
            await uow.enqueue(OTHER, Work(name), subject=scene.operator, place=Place(parent_id=parent))
        await jobs.await_children(uow, claim, 2, "fail")
    good, bad = [child.id for child in await job_families.children(parent)]
    await succeed(await claimed(good))
    await fail(await claimed(bad), BROKEN, None)
    await ClockWithoutRedis().tick()
    assert await scene.state(parent) == "dead"
    with pytest.raises(JobObsolete, match="retry that one"):
        await operations.retry_job(scene.operator, bad)

    assert (await operations.retry_job(scene.operator, parent)).state == "waiting"
    assert [child.state for child in await job_families.children(parent)] == ["succeeded", "queued"]
    await ClockWithoutRedis().tick()
    assert await scene.state(parent) == "waiting"
    await succeed(await claimed(bad))
    await ClockWithoutRedis().tick()
    await claimed(parent)
    assert await scene.acts() == ["job.retried", "job.retried"]


async def test_a_chain_starts_again_from_its_front(scene: Scene) -> None:
    (first,) = await scene.dead("a")
    async with unit_of_work() as uow:
        second = await uow.enqueue(WORK, Work("b"), subject=scene.operator, place=Place(after_id=first))
    await ClockWithoutRedis().tick()
    assert await scene.state(second) == "dead"
    with pytest.raises(JobObsolete, match="first"):
        await operations.retry_job(scene.operator, second)
    await operations.retry_job(scene.operator, first)
    assert (await operations.retry_job(scene.operator, second)).state == "waiting"
    assert await claims.claim(second, new_id(), 60) is None
    await succeed(await claimed(first))
    await ClockWithoutRedis().tick()
    await claimed(second)


async def test_dead_jobs_are_grouped_by_what_they_died_of(scene: Scene) -> None:
    many = await scene.dead("a", "b", "c")
    (one,) = await scene.dead("d", error=JobError(type="time-limit", detail=""))
    await query.execute("UPDATE jobs SET finished_at = now() - interval '2 hours' WHERE id = $1", many[0])
    first, second = await operations.dead_groups(scene.operator)
    assert (first.kind, first.error_type, first.count, set(first.sample_ids)) == ("test.work", "broken", 3, set(many))
    assert first.newest_at - first.oldest_at > timedelta(hours=1)
    assert (second.error_type, second.count, second.sample_ids) == ("time-limit", 1, [one])
    assert await operations.dead_groups(scene.stranger) == []


async def test_a_list_is_filtered_and_paged(scene: Scene) -> None:
    old = await scene.queued("a", "b", "c", kind=OTHER)
    with bind_request("req-9"):
        (new,) = await scene.dead("d", error=JobError(type="gateway-unavailable", detail=""))
    await query.execute("UPDATE jobs SET created_at = now() - interval '30 minutes' WHERE id = ANY($1)", old)

    async def found(**wanted: object) -> list[JobId]:
        ids: list[JobId] = []
        cursor: str | None = None
        while True:
            page = await service.list_jobs(scene.operator, JobFilter(**wanted), cursor=cursor, limit=2)  # type: ignore[arg-type]
            ids += [job.id for job in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return ids

    ago = datetime.now(UTC) - timedelta(minutes=10)
    assert await found() == [new, *reversed(old)]
    all_old: list[dict[str, object]] = [
        {"queue": "exams"},
        {"state": "queued"},
        {"kind": OTHER.name},
        {"created_until": ago},
    ]
    only_new: list[dict[str, object]] = [
        {"state": "dead"},
        {"error_type": "gateway-unavailable"},
        {"request_id": "req-9"},
        {"created_from": ago, "user_id": scene.operator.user_id},
        {"created_from": ago.replace(tzinfo=None)},
        {"queue": "default", "state": "dead", "error_type": "gateway-unavailable"},
    ]
    for wanted in all_old:
        assert await found(**wanted) == list(reversed(old)), wanted
    for wanted in only_new:
        assert await found(**wanted) == [new], wanted
    assert await found(user_id=scene.onlooker.user_id) == []
    assert await found(mine=True) == [new, *reversed(old)]


async def test_who_may_do_what(scene: Scene) -> None:
    """Another tenant's jobs do not exist, who may only look may only look, and a refusal names the state."""
    (dead,) = await scene.dead("a")
    operator, stranger, onlooker = [
        await scene.api.signed_in(person) for person in (scene.operator, scene.stranger, scene.onlooker)
    ]
    base = f"/api/v1/jobs/{dead}"
    acts = {f"{base}/retry": None, f"{base}/discard": None, f"{base}/priority": {"priority": 3}}
    for path in (f"{base}/timeline", f"{base}/waiting"):
        assert (await operator.get(path)).status_code == 200
        assert (await onlooker.get(path)).status_code == 200
        problem(await stranger.get(path), 404, "job-not-found")
    for path, body in acts.items():
        problem(await stranger.post(path, json=body), 404, "job-not-found")
        problem(await onlooker.post(path, json=body), 403, "permission-missing")
    answer = await operator.post(f"{base}/priority", json={"priority": 3})
    assert "dead" in problem(answer, 409, "job-state-forbids")["detail"]
    problem(await operator.post(f"{base}/priority", json={"priority": -1}), 400, "invalid-input")
    assert (await operator.get("/api/v1/jobs/dead")).json()["items"][0]["sample_ids"] == [str(dead)]
    assert (await onlooker.get("/api/v1/jobs", params={"error_type": "broken"})).json()["items"][0]["id"] == str(dead)
    problem(await operator.get("/api/v1/jobs", params={"queue": "fast"}), 400, "invalid-input")
    answer = await operator.post(f"{base}/retry")
    assert (answer.status_code, answer.json()["state"], answer.json()["priority"]) == (202, "queued", 0)
    assert (await operator.post(f"{base}/priority", json={"priority": 3})).json()["priority"] == 3
    metadata = await query.fetch_values(
        "SELECT metadata ->> 'state_before' FROM audit_log WHERE action IN ('job.retried', 'job.prioritised') ORDER BY id"
    )
    assert metadata == ["dead", "queued"]
