"""Work that goes on beside the requests."""

import asyncio

from structlog.testing import capture_logs

from db.errors import DatabaseUnavailable
from inference_gateway import stores


async def test_what_is_repeated_survives_every_fault_and_tells_it() -> None:
    done = asyncio.Event()
    faults = [DatabaseUnavailable("away"), ValueError("unforeseen")]

    async def work() -> None:
        if faults:
            raise faults.pop(0)
        done.set()

    with capture_logs() as logs:
        async with stores._beside(stores._repeat("not_refreshed", 0.0, work)), asyncio.timeout(1):
            await done.wait()

    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("not_refreshed", "warning"),
        ("not_refreshed", "error"),
    ]


async def test_work_that_ends_by_a_fault_is_told() -> None:
    async def work() -> None:
        raise ValueError("unforeseen")

    with capture_logs() as logs:
        async with stores._beside(work()):
            await asyncio.sleep(0.01)

    assert [line["event"] for line in logs] == ["background_work_ended"]
