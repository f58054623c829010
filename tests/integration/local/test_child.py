"""A supervised process that ends by itself: at once again after an end in order, later and later after crashes."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from ops.local import child as module
from ops.local.child import Child
from ops.local.program import Program
from ops.runtime.ready import READY_VARIABLE

ENDS = 5
LONGEST_SECONDS = 30.0
SCRIPT = f"""
import os, sys, time
os.write(int(os.environ[{READY_VARIABLE!r}]), b"\\n")
time.sleep(0.3)
sys.exit(int(sys.argv[1]))
"""


async def delays(folder: Path, status: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before the next starts of a process that ends with `status` as soon as it is ready."""
    asked: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds >= module.FIRST_DELAY_SECONDS:
            asked.append(seconds)
            seconds = 0
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", noted)
    program = Program(
        name="short",
        command=lambda: [sys.executable, "-c", SCRIPT, str(status)],
        environment={"PATH": os.environ["PATH"]},
    )
    child = Child(program, folder / "short.log", lambda _: None)
    keeping = asyncio.create_task(child.keep())
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            while len(asked) < ENDS:
                await sleep(0.05)
    finally:
        await child.stop(asyncio.Event())
        await asyncio.wait([keeping])
    assert child.last_status in (status, -15)
    return asked[:ENDS]


async def test_an_end_in_order_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await delays(tmp_path, 0, monkeypatch) == [0.5] * ENDS


async def test_crashes_are_answered_later_and_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await delays(tmp_path, 1, monkeypatch) == [1.0, 2.0, 4.0, 8.0, 16.0]
