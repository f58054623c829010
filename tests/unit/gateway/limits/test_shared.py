"""What many want in the same moment is done once."""

import asyncio

import pytest

from inference_gateway.limits.shared import Shared


class Work:
    def __init__(self, failure: Exception | None = None) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self._failure = failure

    async def __call__(self) -> int:
        await self.gate.wait()
        self.done += 1
        if self._failure is not None:
            raise self._failure
        return self.done


async def test_many_share_one_and_the_next_begins_anew() -> None:
    shared: Shared[str, int] = Shared()
    work = Work()
    asking = [asyncio.create_task(shared.do("key", work)) for _ in range(50)]
    other = asyncio.create_task(shared.do("other", work))
    await asyncio.sleep(0)
    work.gate.set()

    assert len({*await asyncio.gather(*asking)}) == 1
    await other
    assert work.done == 2
    assert await shared.do("key", work) == 3


async def test_who_leaves_ends_nothing_for_the_others() -> None:
    shared: Shared[str, int] = Shared()
    work = Work()
    first, second = (asyncio.create_task(shared.do("key", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    work.gate.set()

    assert await second == 1


async def test_a_failure_is_everyones_and_not_the_next_ones() -> None:
    shared: Shared[str, int] = Shared()
    work = Work(OSError("no"))
    asking = [asyncio.create_task(shared.do("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.gate.set()

    assert all(isinstance(one, OSError) for one in await asyncio.gather(*asking, return_exceptions=True))
    assert work.done == 1
    with pytest.raises(OSError, match="no"):
        await shared.do("key", work)
    assert work.done == 2
