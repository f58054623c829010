"""Workers as operators see them, and their drain."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.jobs import workers as service
from backend.jobs.errors import WorkerNotFound, WorkerStopped
from db import query
from db.repositories import claims, workers
from ops.runtime.ids import new_id
from tests.api import problem
from tests.campus import settings_for
from tests.integration.jobs.operating import Scene, operating
from tests.processes import start
from tests.servers import Database

START_SECONDS = 60.0
DRAIN_SECONDS = 20.0
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def scene(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with operating(database, valkey_url) as opened:
        yield opened


async def test_a_worker_shows_the_jobs_of_one_s_own_tenant(scene: Scene) -> None:
    worker = new_id()
    await workers.add_worker(worker, "here", 7, ["default", "exams"], 8)
    assert not await workers.beat(worker, 5 * MEBIBYTE)
    own, (foreign,) = await scene.one("a"), await scene.queued("b", owner=scene.stranger)
    for job_id in (own, foreign):
        assert await claims.claim(job_id, worker, 60)
    (view,) = await service.list_workers(scene.operator)
    assert (view.id, view.host, view.pid, view.queues, view.threads) == (worker, "here", 7, ["default", "exams"], 8)
    assert ([job.id for job in view.jobs], view.jobs_running) == ([own], 2)
    assert (view.state, view.memory_bytes) == ("running", 5 * MEBIBYTE)
    assert view.heartbeat_age_seconds < 10


async def test_a_worker_s_state_is_told_by_its_heartbeat_and_its_end(scene: Scene) -> None:
    silent, draining, stopped, gone = [new_id() for _ in range(4)]
    for worker in (silent, draining, stopped, gone):
        await workers.add_worker(worker, "here", 7, ["default"])
    await service.drain_worker(scene.operator, draining)
    await query.execute("UPDATE workers SET heartbeat_at = now() - interval '20 seconds' WHERE id = $1", silent)
    await workers.stop_worker(stopped)
    await query.execute("UPDATE workers SET stopped_at = now() - interval '1 hour' WHERE id = $1", gone)
    states = {view.id: view.state for view in await service.list_workers(scene.operator)}
    assert states == {silent: "silent", draining: "draining", stopped: "stopped"}


async def test_a_drain_is_asked_for_once(scene: Scene) -> None:
    worker = new_id()
    await workers.add_worker(worker, "here", 7, ["default"])
    assert not await workers.beat(worker)
    operator, onlooker = [await scene.api.signed_in(person) for person in (scene.operator, scene.onlooker)]
    problem(await onlooker.post(f"/api/v1/workers/{worker}/drain"), 403, "permission-missing")
    for _ in range(2):
        answer = await operator.post(f"/api/v1/workers/{worker}/drain")
        assert (answer.status_code, answer.json()["state"]) == (202, "draining")
    assert (await onlooker.get("/api/v1/workers")).json()["items"][0]["state"] == "draining"
    assert await workers.beat(worker)
    assert await scene.acts() == ["worker.drain_requested"]
    await workers.stop_worker(worker)
    problem(await operator.post(f"/api/v1/workers/{worker}/drain"), 409, "worker-stopped")
    problem(await operator.post(f"/api/v1/workers/{new_id()}/drain"), 404, "worker-not-found")
    with pytest.raises(WorkerStopped):
        await service.drain_worker(scene.operator, worker)
    with pytest.raises(WorkerNotFound):
        await service.drain_worker(scene.operator, new_id())


@pytest.mark.long
async def test_a_worker_that_drains_ends_in_order(
    scene: Scene, database: Database, valkey_url: str, broker_url: str, tmp_path: Path
) -> None:
    settings = settings_for(
        database.url,
        valkey_url,
        data_dir=tmp_path,
        broker_url=broker_url,
        qdrant_url="http://127.0.0.1:9",
        gateway_url="http://127.0.0.1:9",
        object_store_url="memory://",
    )
    worker = await asyncio.to_thread(start, "worker", settings, tmp_path)
    try:
        (view,) = await service.list_workers(scene.operator)
        assert (view.pid, view.threads) == (worker.process.pid, 8)
        assert view.pid != os.getpid()
        async with asyncio.timeout(DRAIN_SECONDS):
            while not view.memory_bytes:
                await asyncio.sleep(0.1)
                (view,) = await service.list_workers(scene.operator)
        assert 20 * MEBIBYTE < view.memory_bytes < 1024 * MEBIBYTE
        await service.drain_worker(scene.operator, view.id)
        asked_at = time.monotonic()
        assert await asyncio.to_thread(worker.wait, DRAIN_SECONDS)
        print(f"drained in {time.monotonic() - asked_at:.1f} s")
        assert worker.process.returncode == 0
        (view,) = await service.list_workers(scene.operator)
        assert view.state == "stopped"
    finally:
        worker.stop()
