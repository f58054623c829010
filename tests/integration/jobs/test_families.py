"""Parents and children, and chains: who waits for whom, and what a failure does to the others."""

from typing import Any

import msgspec
import pytest

from backend.jobs.attempt import Job
from backend.jobs.errors import PermanentFailure
from db import query
from db.enqueue import Place
from db.jobs import Child, JobKind, OnChildFailure
from db.repositories import job_families
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId
from tests.integration.jobs.conftest import Someone
from tests.integration.jobs.operating import ClockWithoutRedis
from tests.integration.jobs.test_runner import KIND, Bench, Work

PARENT: JobKind[Work] = msgspec.structs.replace(KIND, name="test.parent")
CHILD: JobKind[Work] = msgspec.structs.replace(KIND, name="test.child", dedupe_key=lambda args: args.name)


@pytest.fixture
def bench(someone: Someone, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(someone, monkeypatch)


class Family:
    """A parent with children called a, b and c; `bad` ones fail for good."""

    def __init__(self, bench: Bench, on_failure: OnChildFailure, *, bad: str = "") -> None:
        self.bench = bench
        self.ran: list[str] = []
        self.found: list[tuple[str, str]] = []
        self._on_failure = on_failure
        self._bad = bad

    async def parent(self, job: Job[Work, Any]) -> None:
        children = await job.attempt.children()
        if not children:
            async with unit_of_work() as uow:
                wanted = [Child(kind=CHILD, args=Work(name)) for name in "abc"]
                await job.attempt.fan_out(uow, wanted, self._on_failure)
            return
        self.found = [(child.kind, child.state) for child in children]

    async def child(self, job: Job[Work, Any]) -> None:
        self.ran.append(job.args.name)
        if job.args.name in self._bad:
            raise PermanentFailure("broken", "It broke.")

    async def begin(self) -> tuple[JobId, list[JobId]]:
        self.bench.declare(self.child, CHILD)
        parent_id = await self.bench.accept(self.parent, PARENT)
        await self.bench.runner.run(parent_id)
        return parent_id, [child.id for child in await job_families.children(parent_id)]

    async def run(self, *ids: JobId) -> None:
        for job_id in ids:
            await self.bench.runner.run(job_id)


async def state(job_id: JobId) -> str:
    row: str = await query.fetch_value("SELECT state || coalesce(':' || waits_for, '') FROM jobs WHERE id = $1", job_id)
    return row


async def test_a_parent_goes_on_when_its_last_child_has_ended(bench: Bench) -> None:
    family = Family(bench, "fail")
    parent_id, children = await family.begin()
    assert await state(parent_id) == "waiting:children"
    await family.run(parent_id)  # a message that was under way starts nothing
    await family.run(*children[:2])
    await ClockWithoutRedis().tick()
    assert await state(parent_id) == "waiting:children"

    await family.run(children[2])
    assert await state(parent_id) == "queued"
    await family.run(parent_id)
    assert (await state(parent_id), family.ran) == ("succeeded", ["a", "b", "c"])
    assert family.found == [("test.child", "succeeded")] * 3
    row = await bench.row(parent_id)
    assert row.max_attempts - row.attempt == PARENT.retry.max_attempts - 1  # waiting has cost no attempt
    assert await query.fetch_values(
        "SELECT outcome FROM job_attempts WHERE job_id = $1 ORDER BY attempt", parent_id
    ) == [
        "fanned_out",
        "succeeded",
    ]


async def test_the_clock_frees_a_parent_when_the_last_child_s_worker_died(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(_ended: Any) -> None:
        return

    monkeypatch.setattr("actors.runner.bring_forward", dies)
    family = Family(bench, "fail")
    parent_id, children = await family.begin()
    await family.run(*children)
    assert await state(parent_id) == "waiting:children"
    await ClockWithoutRedis().tick()
    assert await state(parent_id) == "queued"


async def test_a_failed_child_fails_its_parent_and_calls_its_siblings_off(bench: Bench) -> None:
    family = Family(bench, "fail", bad="a")
    parent_id, children = await family.begin()
    await family.run(children[0])
    await ClockWithoutRedis().tick()
    row = await bench.row(parent_id)
    assert (row.state, "child-failed" in str(row.error)) == ("dead", True)
    assert {end.kind: end.error and end.error.type for end in bench.ends} == {
        "test.child": "broken",
        "test.parent": "child-failed",
    }
    await ClockWithoutRedis().tick()
    assert [await state(child) for child in children] == ["dead", "cancelled", "cancelled"]
    await family.run(*children)
    assert family.ran == ["a"]


async def test_a_parent_that_goes_on_is_told_of_failed_children(bench: Bench) -> None:
    family = Family(bench, "continue", bad="b")
    parent_id, children = await family.begin()
    await family.run(*children)
    await ClockWithoutRedis().tick()
    await family.run(parent_id)
    assert await state(parent_id) == "succeeded"
    assert [child_state for _, child_state in family.found] == ["succeeded", "dead", "succeeded"]


async def test_children_of_a_cancelled_parent_are_called_off(bench: Bench) -> None:
    family = Family(bench, "continue")
    parent_id, children = await family.begin()
    await query.execute("UPDATE jobs SET cancel_requested_at = now() WHERE id = $1", parent_id)
    for _ in range(2):
        await ClockWithoutRedis().tick()
    assert [await state(job_id) for job_id in (parent_id, *children)] == ["cancelled"] * 4


async def test_a_stale_attempt_makes_no_children(bench: Bench) -> None:
    async def parent(job: Job[Work, Any]) -> None:
        await query.execute("UPDATE jobs SET fencing_token = fencing_token + 1 WHERE id = $1", job.attempt.claim.job_id)
        async with unit_of_work() as uow:
            await job.attempt.fan_out(uow, [Child(kind=CHILD, args=Work("a"))], "fail")

    parent_id = await bench.accept(parent, PARENT)
    await bench.runner.run(parent_id)
    assert await job_families.children(parent_id) == []


async def test_a_parent_waits_for_children_of_its_own(bench: Bench) -> None:
    """A live job with the same dedupe key belongs to somebody else."""
    family = Family(bench, "fail")
    async with unit_of_work() as uow:
        alone = await uow.enqueue(CHILD, Work("a"), subject=bench.someone)
    _, children = await family.begin()
    assert len(children) == 3
    assert alone not in children


async def chain(bench: Bench, *names: str) -> list[JobId]:
    ids: list[JobId] = []
    async with unit_of_work() as uow:
        for name in names:
            place = Place(after_id=ids[-1] if ids else None)
            ids.append(await uow.enqueue(CHILD, Work(name), subject=bench.someone, place=place))
    return ids


async def test_a_chain_is_run_in_order(bench: Bench) -> None:
    family = Family(bench, "fail")
    bench.declare(family.child, CHILD)
    ids = await chain(bench, "1", "2", "3")
    await family.run(*reversed(ids))
    assert family.ran == ["1"]
    assert [await state(job_id) for job_id in ids] == ["succeeded", "queued", "waiting:predecessor"]
    await family.run(*ids[1:])
    assert family.ran == ["1", "2", "3"]


async def test_a_chain_ends_at_its_first_failure(bench: Bench) -> None:
    family = Family(bench, "fail", bad="1")
    bench.declare(family.child, CHILD)
    ids = await chain(bench, "1", "2", "3")
    await family.run(ids[0])
    for _ in range(2):
        await ClockWithoutRedis().tick()
    assert [await state(job_id) for job_id in ids] == ["dead"] * 3
    assert [end.error.type for end in bench.ends if end.error] == ["broken", "predecessor-failed", "predecessor-failed"]
    assert family.ran == ["1"]
