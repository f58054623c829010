"""A worker's places: how much is taken, what is claimed ahead, and what is handed back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast
from uuid import UUID

import pytest

from actors import feed, succession
from actors.broker import Messages, MessagesUnavailable
from actors.feed import Feed
from db.jobs import Claim
from ops.runtime.ids import JobId, new_id
from tests.processes import eventually

PLACES = 4


class Queue:
    """Stands where Redis is."""

    def __init__(self, waiting: int) -> None:
        self.waiting = [new_id() for _ in range(waiting)]
        self.is_away = False
        self.is_closed = False

    async def take(self, _queue: str, count: int) -> list[UUID]:
        await asyncio.sleep(0)
        if self.is_away:
            raise MessagesUnavailable
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def close(self) -> None:
        self.is_closed = True


class Worker:
    """Each message is claimed; a job lasts no time until `quick` of them are done, `seconds` then."""

    def __init__(self, seconds: float = 0.0, *, quick: int = 0) -> None:
        self.seconds = seconds
        self.quick = quick
        self.claimed: list[UUID] = []
        self.batches: list[int] = []
        self.running: set[UUID] = set()
        self.most_running = 0
        self.done: list[UUID] = []
        self.given_back: list[UUID] = []

    async def claim(self, messages: Sequence[UUID]) -> AsyncIterator[Claim]:
        self.batches.append(len(messages))
        for job_id in messages:
            self.claimed.append(job_id)
            yield claim_of(job_id)

    async def perform(self, claim: Claim) -> None:
        self.running.add(claim.job_id)
        self.most_running = max(self.most_running, len(self.running))
        await asyncio.sleep(self.seconds if len(self.done) >= self.quick else 0)
        self.running.discard(claim.job_id)
        self.done.append(claim.job_id)

    async def give_back(self, claim: Claim) -> None:
        self.given_back.append(claim.job_id)


def claim_of(job_id: UUID) -> Claim:
    return Claim(
        job_id=JobId(job_id),
        kind="test",
        tenant_id=job_id,
        user_id=None,
        subject_id=None,
        args=b"{}",
        attempt=1,
        max_attempts=2,
        fencing_token=1,
        request_id="",
        traceparent="",
        parent_id=None,
        concurrency_key=None,
    )


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The ended jobs after which others were looked for."""
    ended: list[UUID] = []

    async def bring_forward(claims: Sequence[Claim]) -> None:
        ended.extend(claim.job_id for claim in claims)

    monkeypatch.setattr(succession, "bring_forward", bring_forward)
    return ended


def fed(queue: Queue, worker: Worker) -> Feed:
    begun = Feed(cast(Messages, queue), ["default"], PLACES, worker)
    begun.start()
    return begun


async def test_all_is_done_no_more_at_once_than_there_are_places(noted: list[UUID]) -> None:
    queue, worker = Queue(100), Worker()
    wanted = list(queue.waiting)
    begun = fed(queue, worker)
    await eventually(lambda: len(worker.done) == 100)
    await begun.stop(5)
    assert sorted(worker.done) == sorted(wanted) == sorted(noted)
    assert worker.most_running <= PLACES
    assert worker.given_back == []
    assert queue.is_closed


async def test_quick_jobs_are_claimed_several_at_a_time() -> None:
    queue, worker = Queue(200), Worker()
    begun = fed(queue, worker)
    await eventually(lambda: len(worker.done) == 200)
    await begun.stop(5)
    assert min(worker.batches[-20:-2]) >= PLACES // 2


async def test_of_slow_jobs_none_is_claimed_ahead() -> None:
    queue, worker = Queue(20), Worker(seconds=0.2)
    begun = fed(queue, worker)
    await eventually(lambda: len(worker.done) >= 4)
    assert len(worker.claimed) <= len(worker.done) + PLACES
    await begun.stop(5)


async def test_what_waits_behind_jobs_that_turn_out_slow_is_handed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "AHEAD_SECONDS", 0.1)
    queue, worker = Queue(100), Worker(seconds=2.0, quick=60)
    begun = fed(queue, worker)
    await eventually(lambda: bool(worker.given_back))
    assert not set(worker.given_back) & set(worker.done)
    assert not set(worker.given_back) & worker.running
    await begun.stop(5)
    assert sorted([*worker.done, *worker.given_back]) == sorted(worker.claimed)


async def test_a_stop_hands_back_what_has_not_begun_and_waits_for_the_rest() -> None:
    queue, worker = Queue(200), Worker(seconds=0.3, quick=60)
    begun = fed(queue, worker)
    await eventually(lambda: len(worker.claimed) - len(worker.done) > PLACES)
    await begun.stop(5)
    assert worker.given_back
    assert sorted([*worker.done, *worker.given_back]) == sorted(worker.claimed)
    assert worker.running == set()


async def test_redis_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "FAILURE_PAUSE_SECONDS", 0.02)
    queue, worker = Queue(3), Worker()
    queue.is_away = True
    begun = fed(queue, worker)
    await asyncio.sleep(0.05)
    assert worker.claimed == []
    queue.is_away = False
    await eventually(lambda: len(worker.done) == 3)
    await begun.stop(5)
