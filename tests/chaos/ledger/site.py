"""The servers and processes of a run, each process kept running as a supervisor does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from db.migrate import migrate
from ops.runtime.ids import new_id
from ops.runtime.settings import Settings
from tests import campus, processes
from tests.chaos.ledger.servers import Postgres, Valkey
from tests.processes import Running
from tests.servers import Database

NOWHERE = "http://127.0.0.1:9"  # these jobs need neither vectors nor a gateway
RESTART_SECONDS = 0.3
LOOK_SECONDS = 0.02
# No constraint may help: whatever happens twice is seen twice.
LEDGER = """CREATE TABLE ledger (id bigserial, name text, written_at timestamptz DEFAULT clock_timestamp());
            CREATE TABLE asked (name text); CREATE INDEX ON ledger (name);
            GRANT SELECT, INSERT ON ledger, asked TO PUBLIC; GRANT USAGE ON ledger_id_seq TO PUBLIC"""


@dataclass
class Kept:
    """One process that is started again whenever it ends, unless it ended well and is meant to."""

    name: str
    settings: Settings
    folder: Path
    arguments: str
    environment: dict[str, str]
    ends: bool = False
    running: Running | None = None
    starts: int = 0
    stopping: bool = False

    async def keep(self) -> None:
        """Run until cancelled, or until the process ends well."""
        self.folder.mkdir(exist_ok=True)
        while not self.stopping:
            try:
                self.running = await self._start()
            except RuntimeError:  # it cannot do without a server that is away
                await asyncio.sleep(RESTART_SECONDS)
                continue
            self.starts += 1
            while self.running.alive:
                await asyncio.sleep(LOOK_SECONDS)
            if self.ends and self.running.process.returncode == 0:
                return
            await asyncio.sleep(RESTART_SECONDS)

    async def _start(self) -> Running:
        """Start in a thread, which is waited for even when this is cancelled: no process may be left over."""
        options: dict[str, Any] = {"environment": self.environment, "arguments": self.arguments}
        starting = asyncio.ensure_future(
            asyncio.to_thread(processes.start, self.name, self.settings, self.folder, **options)
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with contextlib.suppress(RuntimeError):
                (await starting).kill()
            raise

    @property
    def pid(self) -> int | None:
        """Of the process, once it is ready and while it lives."""
        return self.running.process.pid if self.running is not None and self.running.alive else None

    def kill(self) -> None:
        """kill -9 if it runs."""
        if self.running is not None and self.running.alive:
            self.running.kill()


@dataclass
class Site:
    """Everything that can be killed."""

    postgres: Postgres
    valkey: Valkey
    database: Database
    workers: list[Kept]
    clocks: list[Kept]
    enqueuer: Kept
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def start(self) -> None:
        """Let all processes run."""
        self.tasks = [asyncio.create_task(kept.keep()) for kept in (*self.workers, *self.clocks, self.enqueuer)]

    @property
    def has_asked(self) -> bool:
        """Whether the enqueuer is done.

        Raises:
            Exception: whatever has ended the care for a process.
        """
        for task in self.tasks:
            if task.done():
                task.result()
        return self.tasks[-1].done()

    async def stop(self) -> None:
        """End all processes."""
        everyone = (*self.workers, *self.clocks, self.enqueuer)
        for kept in everyone:
            kept.stopping = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for kept in everyone:
            kept.kill()

    def logs(self) -> list[Path]:
        """Return what the processes have said."""
        return [path for kept in (*self.workers, *self.clocks, self.enqueuer) for path in kept.folder.glob("*.log")]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is asked for, over which time, of how many."""

    jobs: int
    seconds: float
    workers: int = 3
    clocks: int = 2
    lease_seconds: float = 3.0


@asynccontextmanager
async def opened(folder: Path, seed: int, scale: Scale, without: str = "") -> AsyncIterator[Site]:
    """Servers that run, a database with an empty ledger, and processes that can be started."""
    postgres, valkey = Postgres(folder / "postgres"), Valkey(folder / "valkey")
    await postgres.start()
    await valkey.start()
    try:
        database = await postgres.prepare()
        tenant_id = str(new_id())
        await _furnish(database, tenant_id)
        cache_url, broker_url = valkey.urls
        settings = campus.settings_for(
            database.url,
            cache_url,
            broker_url=broker_url,
            data_dir=folder,
            object_store_url=f"file://{folder}/objects",
            qdrant_url=NOWHERE,
            gateway_url=NOWHERE,
        )

        def kept(name: str, number: int, arguments: str = "", **options: Any) -> Kept:
            return Kept(name, settings, folder / f"{name}-{number}", arguments, {"LEDGER_WITHOUT": without}, **options)

        asking = (tenant_id, seed, scale.jobs, scale.seconds, scale.lease_seconds)
        site = Site(
            postgres,
            valkey,
            database,
            [kept("ledger_worker", number, f", {scale.lease_seconds}") for number in range(scale.workers)],
            [kept("ledger_clock", number) for number in range(scale.clocks)],
            kept("ledger_enqueuer", 0, "".join(f", {each!r}" for each in asking), ends=True),
        )
        try:
            yield site
        finally:
            await site.stop()
    finally:
        await valkey.kill()
        await postgres.stop()


async def _furnish(database: Database, tenant_id: str) -> None:
    assert await migrate(database.owner_url)
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(LEDGER)
    await owner.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", tenant_id)
    await owner.close()
