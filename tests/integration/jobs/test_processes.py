"""Worker and clock as processes: killed, told to stop, without Redis, and two clocks for one lead."""

import asyncio
import random
import time
from pathlib import Path

import pytest
import redis

from actors.crash import VARIABLE
from backend.documents import service
from backend.documents.schemas import Accepted
from db import query
from db.session import LEADER_LOCK_CLASS, SessionLock
from ops.runtime.settings import Settings
from tests import campus
from tests import installation as installations
from tests.installation import Installation
from tests.processes import RUN, Gateway, Running, held_up, process, start
from tests.servers import Database

pytestmark = pytest.mark.long

installation = installations.installation  # as if this process died after each commit: the clock has to push

RECOVERY_SECONDS = 3.0
TAKEOVER_SECONDS = 10.0
CANNOT_END = (
    "import time; from actors import clock; from actors.clock import run_clock as run; "
    "clock.EXIT_SECONDS = 1.0; clock.close_dispatch = lambda: time.sleep(100)"
)


async def test_a_killed_worker_s_job_runs_again_within_seconds(installation: Installation, tmp_path: Path) -> None:
    hook = {VARIABLE: "parsing:begin:1"}
    settings = installation.settings
    workers = [await _start("worker", settings, tmp_path, hook) for _ in range(2)]
    with process("clock", settings, tmp_path):
        accepted = await installation.upload(b"# Twice\n\nThis kills two workers.", "a.md")
        died_at = [await _death(workers), await _death(workers)]
        recovery_seconds = died_at[1] - died_at[0]
        print(f"recovery: {recovery_seconds:.2f} s")
        assert recovery_seconds < RECOVERY_SECONDS
        with process("worker", settings, tmp_path):
            await _ready(installation, accepted)
    assert await query.fetch_values("SELECT outcome FROM job_attempts ORDER BY attempt") == [
        "lost",
        "lost",
        "succeeded",
    ]


async def test_a_worker_told_to_stop_hands_its_work_to_the_next(
    installation: Installation, gateway_server: Gateway, tmp_path: Path
) -> None:
    settings = installation.settings
    with process("clock", settings, tmp_path):
        worker = await _start("worker", settings, tmp_path)
        accepted = await installation.upload(_long_text(), "long.md")
        await _until("SELECT EXISTS (SELECT FROM document_versions WHERE state = 'embedding' AND items_done > 0)")
        with held_up(gateway_server.pid):
            asked_at = time.monotonic()
            assert await asyncio.to_thread(worker.stop) == 0
            assert time.monotonic() - asked_at < 15
        assert await query.fetch_values("SELECT outcome FROM job_attempts") == ["handed_back"]
        assert await query.fetch_value("SELECT count(*) FROM workers WHERE stopped_at IS NULL") == 0
        with process("worker", settings, tmp_path):
            await _ready(installation, accepted)
    assert await query.fetch_value("SELECT max_attempts - attempt FROM jobs WHERE id = $1", accepted.job_id) == 7


async def test_what_redis_forgets_is_pushed_again(installation: Installation, tmp_path: Path, broker_url: str) -> None:
    with process("clock", installation.settings, tmp_path):
        accepted = await installation.upload(b"# Forgotten\n\nRedis lost its message.", "a.md")
        await _until("SELECT EXISTS (SELECT FROM jobs WHERE pushed_at IS NOT NULL)")
        with redis.Redis.from_url(broker_url) as client:
            assert client.llen("lyceum:ingest") == 1
            client.flushdb()
        with process("worker", installation.settings, tmp_path):
            await _ready(installation, accepted, seconds=15)


async def test_a_second_clock_takes_over(installation: Installation, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first = await _start("clock", installation.settings, folders[0])
    await _logged(first, "clock_leads")
    second = await _start("clock", installation.settings, folders[1])
    await asyncio.sleep(2.5)
    assert "clock_leads" not in second.log.read_text()
    first.kill()
    killed_at = time.monotonic()
    await installation.upload(b"# Push\n\nOnly a leading clock pushes this.", "a.md")
    await _until("SELECT EXISTS (SELECT FROM jobs WHERE pushed_at IS NOT NULL)", TAKEOVER_SECONDS)
    print(f"takeover: {time.monotonic() - killed_at:.2f} s")
    assert second.stop() == 0


async def test_a_clock_that_stands_still_makes_room_for_the_other(database: Database) -> None:
    silent, other = (SessionLock(database.url, LEADER_LOCK_CLASS, 1, silence_seconds=2.0) for _ in range(2))
    assert await silent.acquire(wait=False)
    assert not await other.acquire(wait=False)
    async with asyncio.timeout(5):
        while not await other.acquire(wait=False):
            await asyncio.sleep(0.1)
    assert silent.lost.is_set()
    assert not await silent.is_held()
    await other.release()


async def test_a_clock_that_cannot_end_shows_where_it_waits_and_is_cut_off(
    database: Database, valkey_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUN, "clock", CANNOT_END)
    addresses = {"broker_url": broker_url, "object_store_url": f"file://{tmp_path}/objects"}
    settings = campus.settings_for(database.url, valkey_url, data_dir=tmp_path, **addresses)
    with process("clock", settings, tmp_path) as clock:
        assert clock.stop() == 1
    assert "actors/clock.py" in clock.log.read_text()


async def _start(name: str, settings: Settings, folder: Path, environment: dict[str, str] | None = None) -> Running:
    return await asyncio.to_thread(start, name, settings, folder, environment=environment)


async def _death(workers: list[Running]) -> float:
    """Wait for the next of the workers to end."""
    while all(worker.alive for worker in workers):
        await asyncio.sleep(0.01)
    workers.remove(next(worker for worker in workers if not worker.alive))
    return time.monotonic()


async def _ready(installation: Installation, accepted: Accepted, seconds: float = 180) -> None:
    async with asyncio.timeout(seconds):
        while (await service.get_document(installation.home.administrator, accepted.id)).state != "ready":
            await asyncio.sleep(0.05)


async def _until(condition: str, seconds: float = 90) -> None:
    async with asyncio.timeout(seconds):
        while not await query.fetch_value(condition):
            await asyncio.sleep(0.02)


async def _logged(running: Running, event: str) -> None:
    async with asyncio.timeout(10):
        while event not in running.log.read_text():
            await asyncio.sleep(0.05)


def _long_text() -> bytes:
    chosen = random.Random(7)
    words = [
        "gradient",
        "model",
        "loss",
        "proof",
        "matrix",
        "rate",
        "step",
        "sample",
        "bound",
        "prior",
        "node",
        "layer",
    ]
    return "\n\n".join(" ".join(chosen.choices(words, k=60)) + "." for _ in range(300)).encode()
