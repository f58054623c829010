"""PostgreSQL and Valkey that can be killed and started again on the same port.

A commit of PostgreSQL survives the death of its processes (not of the machine). Valkey remembers nothing.
"""

import asyncio
import secrets
import signal
from pathlib import Path
from subprocess import Popen

from ops.local import postgres
from ops.local.account import Account
from ops.local.ports import free_port
from ops.local.postgres import PostgresServer
from ops.local.processes import spawn
from ops.local.valkey import BROKER_DATABASE, CACHE_DATABASE, ValkeyServer
from tests.servers import Database, RunningPostgres

START_SECONDS = 20
SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=120")
FORGETFUL = "appendonly no"


class Postgres:
    """The truth."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._log = folder / "log"
        passwords = (secrets.token_urlsafe(16) for _ in range(3))
        superuser, owner, app = passwords
        self._server = PostgresServer(
            folder / "cluster", superuser_password=superuser, owner_password=owner, app_password=app
        )
        self._server.initialise()
        self._port = free_port()
        self._process: Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, again and again while processes of the server that was killed still hold its memory."""
        command = self._server.command(self._port, SETTINGS)
        async with asyncio.timeout(START_SECONDS):
            while self._process is None or not self._server.is_ready(self._process.pid):
                if self._process is None or self._process.poll() is not None:
                    self._process = _spawn(command, self._log, self._server.account)
                await asyncio.sleep(0.05)

    async def prepare(self) -> Database:
        """Create roles and a database without a schema."""
        return await asyncio.to_thread(self._prepare)

    def _prepare(self) -> Database:
        self._server.create_roles(self._port)
        return RunningPostgres(self._server, self._port).create_database()

    async def stop(self, number: int = signal.SIGINT) -> None:
        """Send the signal and wait for the end."""
        assert self._process is not None
        self._process.send_signal(number)
        await asyncio.to_thread(self._process.wait)
        self._process = None

    async def terminate_backends(self, share: float) -> None:
        """End about so many of the sessions."""
        roles = f"'{postgres.OWNER_ROLE}', '{postgres.APP_ROLE}'"
        condition = f"usename IN ({roles}) AND random() < {share}"
        script = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {condition};"
        await asyncio.to_thread(self._server.execute, self._port, script)


class Valkey:
    """The transport."""

    def __init__(self, folder: Path) -> None:
        self._log = folder.parent / "valkey.log"
        self._server = ValkeyServer(folder, password=secrets.token_urlsafe(16))
        self._port = free_port()
        self._server.configure(self._port, extra=FORGETFUL)
        self._process: Popen[bytes] | None = None

    @property
    def urls(self) -> tuple[str, str]:
        """Addresses of the cache and of the broker."""
        return self._server.url(self._port, CACHE_DATABASE), self._server.url(self._port, BROKER_DATABASE)

    async def start(self) -> None:
        """Start empty."""
        self._process = _spawn(self._server.command(), self._log, self._server.account)
        async with asyncio.timeout(START_SECONDS):
            while not await asyncio.to_thread(self._server.is_ready, self._port):
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9, which forgets everything."""
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.wait)


def _spawn(command: list[str], log: Path, account: Account | None) -> "Popen[bytes]":
    with log.open("ab") as output:
        return spawn(command, log=output, death_signal=signal.SIGINT, account=account)
