"""Waiting for what a test cannot bring about itself: somebody stands before a lock, a step of time has just begun."""

import asyncio
import time
from typing import Any

from db import query
from tests.processes import PATIENCE_SECONDS

SOMEBODY_WAITS = """SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


async def until_blocked(task: "asyncio.Task[Any]") -> None:
    """Wait until somebody stands before an advisory lock of the open database, or `task` has ended without doing so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not task.done() and not await query.fetch_value(SOMEBODY_WAITS):
            await asyncio.sleep(0.005)


async def away_from_the_turn(step_seconds: int, room_seconds: float = 3.0) -> None:
    """Wait for the next quarter of a minute, hour or day, as the step is long, unless so much is left of this one."""
    left = step_seconds - time.time() % step_seconds
    if left < room_seconds:
        await asyncio.sleep(left)
