"""PostgreSQL with its durability and Valkey, apart from the installation, for figures of jobs."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from db.dispatch import close_dispatch, open_dispatch
from db.engine import close_database, open_pool
from db.migrate import migrate
from ops.runtime.ids import new_id
from ops.runtime.logging import configure_logging
from ops.runtime.settings import Settings
from tests import campus, processes
from tests.integration.jobs.conftest import Someone
from tests.processes import Running
from tests.servers import Database, RunningPostgres, RunningValkey, running_postgres, running_valkey

NOWHERE = "http://127.0.0.1:9"
DONE = """CREATE TABLE done (id bigserial, name text, at timestamptz DEFAULT clock_timestamp());
          GRANT SELECT, INSERT, TRUNCATE ON done TO PUBLIC; GRANT USAGE ON done_id_seq TO PUBLIC"""


@dataclass
class JobSite:
    """Servers, a migrated database with the table `done`, and whose jobs are asked for."""

    folder: Path
    postgres: RunningPostgres
    valkey: RunningValkey
    database: Database
    someone: Someone = field(default_factory=lambda: Someone(new_id()))
    started: int = 0

    @property
    def settings(self) -> Settings:
        """What the processes run with."""
        addresses = {"broker_url": self.valkey.url(1), "qdrant_url": NOWHERE, "gateway_url": NOWHERE}
        return campus.settings_for(
            self.database.url,
            self.valkey.url(0),
            data_dir=self.folder,
            object_store_url=f"file://{self.folder}/objects",
            log_level="warning",  # as Celery's
            **addresses,
        )

    def start(self, name: str) -> Running:
        """Start a process of ours and wait until it is ready."""
        self.started += 1
        folder = self.folder / f"{name}-{self.started}"
        folder.mkdir()
        return processes.start(name, self.settings, folder)

    @asynccontextmanager
    async def opened(self, database: Database | None = None) -> AsyncIterator[None]:
        """Have the pool and the dispatcher open in this process, as an api process has."""
        await open_pool((database or self.database).url, pool_size=10)
        open_dispatch(self.valkey.url(1))
        try:
            yield
        finally:
            close_dispatch()
            await close_database()


@contextmanager
def job_site() -> Iterator[JobSite]:
    """Start it, and remove it at the end."""
    configure_logging("bench", "error")
    folder = Path(tempfile.mkdtemp(prefix="lyceum-bench-jobs-"))
    try:
        with ExitStack() as stack:
            postgres = stack.enter_context(running_postgres(folder / "postgres", ()))
            valkey = stack.enter_context(running_valkey(folder / "valkey"))
            database = postgres.create_database()
            site = JobSite(folder, postgres, valkey, database)
            asyncio.run(furnish(database, site.someone))
            yield site
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def furnish(database: Database, someone: Someone) -> None:
    """Make the schema, the table `done` and the tenant."""
    assert await migrate(database.owner_url)
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(DONE)
    await owner.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, 'one', 'One')", someone.tenant_id)
    await owner.close()


def wait_until(done: int, database: Database, seconds: float = 120) -> None:
    """Wait until so many rows are done."""
    asyncio.run(_wait_until(done, database, seconds))


async def _wait_until(done: int, database: Database, seconds: float) -> None:
    connection = await asyncpg.connect(database.owner_url)
    deadline = time.monotonic() + seconds
    try:
        while (count := await connection.fetchval("SELECT count(*) FROM done")) < done:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} of {done} jobs are done")
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
