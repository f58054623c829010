"""Jobs and the deaths around them: what hogs, hangs, kills or outsleeps its worker, and two clocks beside."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from db import query
from db.engine import close_database, open_pool
from db.jobs import JobKind
from db.unit_of_work import unit_of_work
from ops.runtime.ids import JobId, new_id
from ops.runtime.settings import Settings
from tests import campus
from tests.chaos.job_worker import FRAIL, HANG, HOG, LEASE_SECONDS, POISON, SILENCE_SECONDS, SLEEP, Work
from tests.integration.jobs.conftest import Someone
from tests.processes import Running, start
from tests.servers import Database, RunningPostgres

HOG_SECONDS = 3 * LEASE_SECONDS
DEAD_LETTERS_SECONDS = 60.0


@dataclass
class Site:
    """A database and its ledger, and the processes that were started."""

    settings: Settings
    folder: Path
    someone: Someone
    running: list[Running] = field(default_factory=list)

    async def start(self, name: str) -> Running:
        folder = self.folder / f"{name}-{len(self.running)}"
        folder.mkdir()
        process = await asyncio.to_thread(start, name, self.settings, folder)
        self.running.append(process)
        return process

    async def enqueue(self, kind: JobKind[Work], *names: str, seconds: float = 0.0) -> list[JobId]:
        async with unit_of_work() as uow:
            return [await uow.enqueue(kind, Work(name, seconds), subject=self.someone) for name in names]

    async def until_over(self, seconds: float = 40) -> None:
        async with asyncio.timeout(seconds):
            while await query.fetch_value("SELECT EXISTS (SELECT FROM jobs WHERE finished_at IS NULL)"):
                await asyncio.sleep(0.05)

    async def until_written(self, effect: str, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while effect not in await effects():
                await asyncio.sleep(0.02)


@pytest.fixture
async def site(tmp_path: Path, database: Database, valkey_url: str, broker_url: str) -> AsyncIterator[Site]:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("CREATE TABLE effects (id bigserial, name text)")
    await owner.execute("GRANT SELECT, INSERT ON effects TO PUBLIC; GRANT USAGE ON effects_id_seq TO PUBLIC")
    await owner.close()
    nowhere = "http://127.0.0.1:9"  # these jobs need neither vectors nor a gateway
    addresses = {"broker_url": broker_url, "qdrant_url": nowhere, "gateway_url": nowhere}
    settings = campus.settings_for(
        database.url, valkey_url, data_dir=tmp_path, object_store_url=f"file://{tmp_path}/objects", **addresses
    )
    await open_pool(database.url)
    someone = Someone(new_id())
    await query.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", someone.tenant_id)
    site = Site(settings, tmp_path, someone)
    try:
        yield site
    finally:
        for process in site.running:
            if process.alive:
                process.kill()
        await close_database()


async def effects() -> list[str]:
    return await query.fetch_values("SELECT name FROM effects ORDER BY id")


async def attempts(job_id: JobId) -> list[str]:
    return await query.fetch_values("SELECT outcome FROM job_attempts WHERE job_id = $1 ORDER BY attempt", job_id)


async def test_work_that_holds_the_interpreter_for_longer_than_a_lease_keeps_its_job(site: Site) -> None:
    for name in ("clock", "job_worker", "job_worker"):
        await site.start(name)
    (job_id,) = await site.enqueue(HOG, "hog", seconds=HOG_SECONDS)
    await site.until_over()
    assert (await effects(), await attempts(job_id)) == (["began hog", "hog"], ["succeeded"])


async def test_work_that_hangs_for_good_is_given_to_another_worker(site: Site) -> None:
    for name in ("clock", "job_worker", "job_worker"):
        await site.start(name)
    (job_id,) = await site.enqueue(HANG, "hang")
    await site.until_over()
    assert (await effects(), await attempts(job_id)) == (["began hang", "began hang", "hang"], ["lost", "succeeded"])


@pytest.mark.parametrize("call_seconds", [0.0, 0.2], ids=["in one call", "in many calls"])
async def test_a_worker_that_hangs_for_good_is_ended_and_what_it_had_taken_is_done(
    site: Site, call_seconds: float
) -> None:
    await site.start("clock")
    hanging = await site.start("job_worker")
    await site.enqueue(HANG, "hang", seconds=call_seconds)
    await site.until_written("began hang")
    await site.enqueue(SLEEP, "taken")
    assert await asyncio.to_thread(hanging.wait, HANG.time_limit_seconds + SILENCE_SECONDS + 10)
    assert hanging.process.returncode == -signal.SIGKILL
    await site.start("job_worker")
    await site.until_over()
    assert sorted(await effects()) == ["began hang", "began hang", "hang", "taken"]


async def test_a_job_that_kills_its_worker_is_dead_after_its_attempts_and_the_others_finish(site: Site) -> None:
    """The others are claimed with it, and are of a kind that has one attempt."""
    await site.start("clock")
    (poisoned,) = await site.enqueue(POISON, "poison")
    others = await site.enqueue(FRAIL, *"abcdefghijklmno", seconds=0.2)
    async with asyncio.timeout(DEAD_LETTERS_SECONDS):
        while await query.fetch_value("SELECT EXISTS (SELECT FROM jobs WHERE finished_at IS NULL)"):
            if not any(process.alive for process in site.running[1:]):
                await site.start("job_worker")
            await asyncio.sleep(0.05)
    assert await attempts(poisoned) == ["lost"] * POISON.retry.max_attempts
    assert await query.fetch_value("SELECT state FROM jobs WHERE id = $1", poisoned) == "dead"
    assert await query.fetch_values("SELECT DISTINCT state FROM jobs WHERE id = ANY($1)", others) == ["succeeded"]
    written = await effects()
    assert written.count("began poison") == POISON.retry.max_attempts
    assert sorted(set(written) - {"began poison"}) == [*"abcdefghijklmno"]
    assert await query.fetch_value("SELECT count(DISTINCT job_id) FROM job_attempts WHERE outcome = 'lost'") > 1
    assert len(written) == POISON.retry.max_attempts + len(others)


async def test_running_jobs_outlive_the_end_of_all_database_sessions(
    site: Site, database: Database, postgres_server: RunningPostgres
) -> None:
    for name in ("clock", "job_worker"):
        await site.start(name)
    (job_id,) = await site.enqueue(SLEEP, "once", seconds=5.0)
    async with asyncio.timeout(20):
        while not await query.fetch_value("SELECT EXISTS (SELECT FROM jobs WHERE state = 'running')"):
            await asyncio.sleep(0.01)
    script = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database.name}';"
    await asyncio.to_thread(postgres_server.server.execute, postgres_server.port, script)
    await asyncio.sleep(1.5)
    await close_database()
    await open_pool(database.url)
    await site.until_over()
    assert (await effects(), await attempts(job_id)) == (["once"], ["succeeded"])


async def test_a_worker_that_slept_longer_than_its_lease_writes_nothing(site: Site) -> None:
    await site.start("clock")
    sleeper = await site.start("job_worker")
    (job_id,) = await site.enqueue(SLEEP, "once", seconds=1.0)
    async with asyncio.timeout(20):
        while not await query.fetch_value("SELECT EXISTS (SELECT FROM jobs WHERE state = 'running')"):
            await asyncio.sleep(0.01)
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    await site.start("job_worker")
    await site.until_over()
    os.kill(sleeper.process.pid, signal.SIGCONT)
    await asyncio.sleep(2)
    assert (await effects(), await attempts(job_id)) == (["once"], ["lost", "succeeded"])
    assert sleeper.alive
    assert sleeper.stop() == 0
