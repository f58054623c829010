"""Permits in fair turns: order, weights, floors, deadlines, full queues, and one tenant at fifty times its share."""

import asyncio
import selectors
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest

from inference_gateway.errors import GatewayOverloaded
from inference_gateway.limits.fair_queue import FairQueue, Flow
from inference_gateway.limits.permits import PermitLimits, Permits

SERVICE_SECONDS = 0.05
HOG, OTHER, THIRD = Flow(uuid4(), uuid4()), Flow(uuid4(), uuid4()), Flow(uuid4(), uuid4())


def everybody(_: UUID | None) -> bool:
    return True


def order(queue: FairQueue[str], count: int) -> str:
    popped = [queue.pop(everybody) for _ in range(count)]
    return "".join(each[1] for each in popped if each)


def test_turns_alternate_whatever_the_load() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(50):
        queue.push(HOG, 1.0, 1.0, "h")
    for _ in range(3):
        queue.push(OTHER, 1.0, 1.0, "o")
    served = order(queue, 6)
    assert served.count("o") == 3
    assert len(queue) == 47


def test_weights_and_costs_share_tokens() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(90):
        queue.push(HOG, 3.0, 1.0, "h")
        queue.push(OTHER, 1.0, 1.0, "o")
        queue.push(THIRD, 1.0, 4.0, "t")
    served = order(queue, 51)
    assert served.count("h") == pytest.approx(36, abs=2)
    assert served.count("o") == pytest.approx(12, abs=2)
    assert served.count("t") == pytest.approx(3, abs=1)


def test_people_of_a_tenant_take_turns_as_well() -> None:
    queue: FairQueue[str] = FairQueue()
    neighbour = Flow(HOG.tenant_id, uuid4())
    for _ in range(20):
        queue.push(HOG, 1.0, 1.0, "h")
    queue.push(neighbour, 1.0, 1.0, "n")
    assert "n" in order(queue, 2)


def test_whoever_was_idle_gains_nothing() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.push(HOG, 1.0, 1.0, "h")
        order(queue, 1)
    for _ in range(10):
        queue.push(HOG, 1.0, 1.0, "h")
        queue.push(OTHER, 1.0, 1.0, "o")
    assert order(queue, 10).count("h") >= 4, "the time it was alone is not held against it"


def test_passing_by_an_empty_queue_counts_like_waiting_in_it() -> None:
    waited: FairQueue[str] = FairQueue()
    passed: FairQueue[str] = FairQueue()
    for _ in range(30):
        waited.push(HOG, 1.0, 5.0, "h")
        order(waited, 1)
        passed.pass_by(HOG, 1.0, 5.0)
    for queue in (waited, passed):
        for _ in range(3):
            queue.push(OTHER, 1.0, 5.0, "o")
            queue.push(HOG, 1.0, 5.0, "h")
    assert order(passed, 6) == order(waited, 6)


def test_what_is_given_up_is_gone() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push(HOG, 1.0, 1.0, "h")
    assert queue.remove(HOG, "h")
    assert not queue.remove(HOG, "h")
    assert queue.pop(everybody) is None
    queue.push(Flow(None, None), 1.0, 1.0, "x")
    assert order(queue, 1) == "x"


async def test_a_wait_has_an_end_and_leaves_no_trace() -> None:
    permits = Permits(PermitLimits(permits=1, patience_seconds=0.02, spare=0))
    await permits.acquire(HOG, 1.0, 1.0)
    with pytest.raises(GatewayOverloaded) as raised:
        await permits.acquire(OTHER, 1.0, 1.0)
    assert raised.value.retry_after_seconds is not None
    permits.release(HOG, 0.1)
    await permits.acquire(OTHER, 1.0, 1.0)


async def test_a_permit_of_somebody_who_left_is_not_lost() -> None:
    permits = Permits(PermitLimits(permits=1, patience_seconds=0.5, spare=0))
    await permits.acquire(HOG, 1.0, 1.0)
    waiting = asyncio.create_task(permits.acquire(OTHER, 1.0, 1.0))
    await asyncio.sleep(0)
    permits.release(HOG, 0.1)  # the permit is given in this very moment
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    await permits.acquire(THIRD, 1.0, 1.0)
    with pytest.raises(GatewayOverloaded):  # and not there twice
        await permits.acquire(OTHER, 1.0, 1.0)


async def test_a_full_queue_refuses_those_who_filled_it() -> None:
    permits = Permits(PermitLimits(permits=1, waiting=8, spare=0))
    await permits.acquire(HOG, 1.0, 1.0)
    hogs = [asyncio.create_task(permits.acquire(HOG, 1.0, 1.0)) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(GatewayOverloaded):
        await permits.acquire(HOG, 1.0, 1.0)
    other = asyncio.create_task(permits.acquire(OTHER, 1.0, 1.0))
    await asyncio.sleep(0.01)
    assert not other.done()
    assert sum(task.done() for task in hogs) == 1, "the newest made room"
    permits.release(HOG, 0.1)
    permits.release(HOG, 0.1)
    async with asyncio.timeout(1):
        await other
    for task in hogs:
        task.cancel()
    results = await asyncio.gather(*hogs, return_exceptions=True)
    assert sum(isinstance(result, GatewayOverloaded) for result in results) == 1


class ClockOfItsOwn(asyncio.SelectorEventLoop):
    """A loop whose time passes by waiting alone: whatever else the machine does, the outcome is the same."""

    def __init__(self) -> None:
        selector = selectors.DefaultSelector()
        super().__init__(selector)
        self._now = 0.0
        select = selector.select

        def pass_time(timeout: float | None = None) -> Any:
            self._now += timeout or 0.0
            return select(0)

        selector.select = pass_time  # type: ignore[method-assign]

    def time(self) -> float:
        return self._now


def test_one_tenant_at_fifty_times_its_share_hardly_touches_the_others() -> None:
    """Ten tenants in steady small load; then an eleventh sends fifty times as much as each may. Their p99 rises by 20 % at most."""
    with closing(ClockOfItsOwn()) as loop:
        alone = loop.run_until_complete(p99_of_others(hog_load=0))
        beside = loop.run_until_complete(p99_of_others(hog_load=50))
    assert beside <= alone * 1.2, f"{beside * 1000:.1f} ms against {alone * 1000:.1f} ms"


async def p99_of_others(hog_load: int) -> float:
    """A fake upstream of fixed service time behind 40 permits; ten tenants use a quarter of them."""
    permits = Permits(PermitLimits(permits=40, waiting=200, spare=10))
    tenants = [Flow(uuid4(), uuid4()) for _ in range(10)]
    seconds: list[float] = []
    stop = asyncio.Event()
    now = asyncio.get_running_loop().time

    async def one(flow: Flow) -> None:
        await permits.acquire(flow, 1.0, 100.0)
        try:
            await asyncio.sleep(SERVICE_SECONDS)
        finally:
            permits.release(flow, SERVICE_SECONDS)

    async def steady(flow: Flow, number: int) -> None:
        await asyncio.sleep(number * SERVICE_SECONDS / len(tenants))
        for _ in range(30):
            started_at = now()
            await one(flow)
            seconds.append(now() - started_at)
            await asyncio.sleep(SERVICE_SECONDS / 4)

    async def greedy(flow: Flow) -> None:
        while not stop.is_set():
            try:
                await one(flow)
            except GatewayOverloaded:
                await asyncio.sleep(SERVICE_SECONDS / 5)

    hog = Flow(uuid4(), uuid4())
    greed = [asyncio.create_task(greedy(hog)) for _ in range(hog_load)]
    await asyncio.sleep(SERVICE_SECONDS * 2)
    await asyncio.gather(*(steady(flow, number) for number, flow in enumerate(tenants)))
    stop.set()
    await asyncio.gather(*greed)
    return sorted(seconds)[int(len(seconds) * 0.99)]
