"""One act on many jobs."""

from collections.abc import AsyncIterator

import pytest

from backend.jobs import bulk, operations
from backend.jobs.schemas import Action, BulkAct, BulkOutcome, JobFilter
from db import query
from ops.runtime.ids import JobId, new_id
from tests.api import problem
from tests.integration.jobs.operating import Scene, claimed, operating
from tests.integration.jobs.test_limits import succeed
from tests.integration.jobs.test_operations import OTHER, UPKEEP
from tests.servers import Database


@pytest.fixture
async def scene(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with operating(database, valkey_url) as opened:
        yield opened


async def act(scene: Scene, action: Action, **how: object) -> BulkOutcome:
    return await operations.act_on_many(scene.operator, BulkAct(action=action, **how))  # type: ignore[arg-type]


async def states() -> dict[str, int]:
    rows = await query.fetch_values("SELECT state || ' ' || count(*) FROM jobs GROUP BY state ORDER BY state")
    return {state: int(count) for state, count in (row.split() for row in rows)}


def refusals(outcome: BulkOutcome) -> dict[str, list[JobId]]:
    return {refusal.type: list(refusal.job_ids) for refusal in outcome.refused}


async def test_a_preview_changes_nothing(scene: Scene) -> None:
    dead = await scene.dead(*(str(number) for number in range(12)), kind=OTHER)
    await scene.queued("q", kind=OTHER)
    told = await act(scene, "retry", filter=JobFilter(kind=OTHER.name), preview=True)
    assert (told.matched, told.done, told.remaining, told.refused) == (12, 12, 0, [])
    assert [(job.id, job.state) for job in told.samples] == [(job_id, "dead") for job_id in dead[:10]]
    assert await states() == {"dead": 12, "queued": 1}
    assert await scene.acts() == []


async def test_each_job_and_the_whole_leave_an_audit_row(scene: Scene) -> None:
    dead = await scene.dead("a", "b", kind=OTHER)
    done = await act(scene, "retry", filter=JobFilter(state="dead"))
    assert (done.matched, done.done, done.remaining) == (2, 2, 0)
    assert await states() == {"queued": 2}
    assert await scene.acts() == ["jobs.bulk_act", "job.retried", "job.retried"]
    told = await query.fetch_values(
        "SELECT metadata ->> 'job_id' FROM audit_log WHERE action = 'job.retried' ORDER BY id"
    )
    assert told == [str(job_id) for job_id in dead]


async def test_one_refusal_stops_no_other(scene: Scene) -> None:
    ended, waiting = await scene.one("e", OTHER), await scene.one("w", OTHER)
    upkeep = await scene.one(kind=UPKEEP)
    await succeed(await claimed(ended))
    (foreign,) = await scene.queued("f", owner=scene.stranger)
    unknown = JobId(new_id())
    done = await act(scene, "discard", ids=[foreign, unknown, ended, upkeep, waiting, waiting])
    assert (done.matched, done.done, done.remaining) == (5, 1, 0)
    assert {kind: set(ids) for kind, ids in refusals(done).items()} == {
        "job-not-found": {foreign, unknown},
        "job-state-forbids": {ended},
        "job-not-cancellable": {upkeep},
    }
    assert await query.fetch_value("SELECT cancel_requested_at IS NULL FROM jobs WHERE id = $1", foreign)


async def test_many_are_done_call_by_call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "JOBS_AT_ONCE", 3)
    await scene.queued(*(str(number) for number in range(8)), kind=OTHER)
    left: list[int] = []
    while not left or left[-1]:
        done = await act(scene, "priority", filter=JobFilter(queue="exams"), priority=5)
        assert done.done <= 3
        left.append(done.remaining)
    assert left == [5, 2, 0], "without a place to go on from, what is done already no longer fits"
    assert await query.fetch_values("SELECT DISTINCT priority FROM jobs") == [5]


async def test_those_that_are_refused_do_not_stand_before_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "JOBS_AT_ONCE", 3)
    await scene.queued(*(str(number) for number in range(7)), kind=UPKEEP)
    await scene.queued("a", "b", kind=OTHER)
    outcomes = [await act(scene, "discard", filter=JobFilter())]
    while after := outcomes[-1].next_after:
        outcomes.append(await act(scene, "discard", filter=JobFilter(), after=after))
        assert len(outcomes) < 9
    counts = [(each.done, sum(refusal.count for refusal in each.refused), each.remaining) for each in outcomes]
    assert counts == [(0, 3, 6), (0, 3, 3), (2, 1, 0)]
    discarded = await query.fetch_values("SELECT DISTINCT kind FROM jobs WHERE cancel_requested_at IS NOT NULL")
    assert discarded == [OTHER.name]


async def test_running_jobs_are_cancelled_too(scene: Scene) -> None:
    running, _ = await scene.queued("r", "w", kind=OTHER)
    await claimed(running)
    assert (await act(scene, "cancel", filter=JobFilter(kind=OTHER.name))).done == 2
    assert await query.fetch_value("SELECT count(*) FROM jobs WHERE cancel_requested_at IS NOT NULL") == 2


async def test_an_act_says_which_jobs_and_only_operators_act(scene: Scene) -> None:
    operator, onlooker = await scene.api.signed_in(scene.operator), await scene.api.signed_in(scene.onlooker)
    nobody = [str(new_id())]
    for body, pointer in (
        ({"action": "retry"}, "/filter"),
        ({"action": "retry", "ids": nobody, "filter": {}}, "/ids"),
        ({"action": "priority", "ids": nobody}, "/priority"),
        ({"action": "retry", "ids": nobody, "priority": 1}, "/priority"),
        ({"action": "retry", "ids": nobody, "after": nobody[0]}, "/after"),
        ({"action": "retry", "ids": [str(new_id()) for _ in range(1001)]}, "/ids"),
        ({"action": "explode", "ids": nobody}, "/action"),
        ({"action": "retry", "filter": {"colour": "red"}}, "/filter/colour"),
    ):
        document = problem(await operator.post("/api/v1/jobs/bulk", json=body), 400, "invalid-input")
        assert document["errors"][0]["pointer"] == pointer, document
    body = {"action": "retry", "filter": {}, "preview": True}
    problem(await onlooker.post("/api/v1/jobs/bulk", json=body), 403, "permission-missing")
    answer = await operator.post("/api/v1/jobs/bulk", json=body)
    assert (answer.status_code, answer.json()["matched"]) == (200, 0)
