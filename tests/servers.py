"""Real servers for the tests, run the way `lyceum up` runs them."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from ops.local import postgres, valkey
from ops.local.account import Account
from ops.local.ports import free_port
from ops.local.postgres import PostgresServer
from ops.local.processes import identify, spawn, stop
from ops.local.valkey import ValkeyServer

START_SECONDS = 20
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 4 * 1024**3
FORGETFUL = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")


@dataclass(frozen=True)
class Database:
    """One database of its own: `url` as `lyceum_app`, `owner_url` as `lyceum_owner`."""

    name: str
    url: str
    owner_url: str


@dataclass(frozen=True)
class RunningPostgres:
    server: PostgresServer
    port: int

    def create_database(self, template: str = "template0") -> Database:
        name = f"test_{secrets.token_hex(6)}"
        # Copying files is a third of the cost of writing them through the log, as long as nothing waits for a disk.
        self.server.execute(
            self.port, f"CREATE DATABASE {name} TEMPLATE {template} OWNER {postgres.OWNER_ROLE} STRATEGY file_copy;"
        )
        if template == "template0":
            self.server.execute(
                self.port,
                f"ALTER SCHEMA public OWNER TO {postgres.OWNER_ROLE};"
                f"GRANT USAGE ON SCHEMA public TO {postgres.APP_ROLE};",
                database=name,
            )
        return self.database(name)

    def database(self, name: str) -> Database:
        app, owner = (self.server.url(self.port, role, name) for role in (postgres.APP_ROLE, postgres.OWNER_ROLE))
        return Database(name, app, owner)

    def drop_database(self, name: str) -> None:
        self.server.execute(self.port, f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")


@dataclass(frozen=True)
class RunningValkey:
    server: ValkeyServer
    port: int

    def url(self, database: int = valkey.CACHE_DATABASE) -> str:
        return self.server.url(self.port, database)


@contextmanager
def memory_folder(otherwise: Path) -> Iterator[Path]:
    """Lend a folder in memory where there is room for the files of a thousand short-lived databases, else the other one."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_BYTES:
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="lyceum-tests-", dir=MEMORY) as name:
        Path(name).chmod(0o755)  # the server's own folder in it is its user's alone
        yield Path(name)


@contextmanager
def running_postgres(folder: Path, options: tuple[str, ...] = FORGETFUL) -> Iterator[RunningPostgres]:
    """Run PostgreSQL on `folder`, without durability unless `options` are others, roles made."""
    superuser, owner, app = (secrets.token_urlsafe(16) for _ in range(3))
    server = PostgresServer(folder, superuser_password=superuser, owner_password=owner, app_password=app)
    server.initialise()
    port = free_port()
    with _process(
        server.command(port, options), server.account, folder.parent / "postgres.log", postgres.STOP_SIGNAL
    ) as pid:
        _wait(lambda: server.is_ready(pid), folder.parent / "postgres.log")
        server.create_roles(port)
        yield RunningPostgres(server, port)


@contextmanager
def running_valkey(folder: Path, port: int | None = None, password: str = "") -> Iterator[RunningValkey]:
    """Run Valkey on `folder`; 64 logical databases, so that test modules may take one each."""
    server = ValkeyServer(folder, password=password or secrets.token_urlsafe(16))
    port = port or free_port()
    server.configure(port, extra="databases 64")
    with _process(server.command(), server.account, folder.parent / "valkey.log", valkey.STOP_SIGNAL):
        _wait(lambda: server.is_ready(port), folder.parent / "valkey.log")
        yield RunningValkey(server, port)


@contextmanager
def _process(command: list[str], account: Account | None, log: Path, stop_signal: int) -> Iterator[int]:
    with log.open("ab") as output:
        process: Popen[bytes] = spawn(command, log=output, death_signal=stop_signal, account=account)
    try:
        yield process.pid
    finally:
        if (identity := identify(process.pid)) is not None:
            stop(identity, stop_signal, timeout_seconds=10)
        process.wait(timeout=10)


def _wait(ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text()[-2000:])
        time.sleep(0.02)
