"""PostgreSQL from the wheel: initialise, command line, readiness, roles and addresses."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from ops.local.account import Account, account_for, make_private_folder, write_private_file
from ops.local.binaries import POSTGRES_MAJOR, postgres_program
from ops.local.errors import DataFolderUnusable, LocalError
from ops.local.ports import LOOPBACK
from ops.local.processes import launch_command

SUPERUSER = "postgres"
OWNER_ROLE = "lyceum_owner"
APP_ROLE = "lyceum_app"
DATABASE = "lyceum"
STOP_SIGNAL = signal.SIGINT  # "fast": TERM would wait for every client

# A small machine shared with models; durability stays on.
TUNING = (
    "shared_buffers=128MB",
    "max_connections=100",
    "maintenance_work_mem=64MB",
    "effective_cache_size=512MB",
    "random_page_cost=1.1",
    "max_wal_size=512MB",
    "wal_compression=pglz",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    "password_encryption=scram-sha-256",
)

ROLES_SQL = """
DO $roles$ BEGIN
  IF to_regrole('{owner}') IS NULL THEN CREATE ROLE {owner} LOGIN; END IF;
  IF to_regrole('{app}') IS NULL THEN CREATE ROLE {app} LOGIN; END IF;
END $roles$;
ALTER ROLE {owner} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '{owner_password}';
ALTER ROLE {app} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '{app_password}';
SELECT 'CREATE DATABASE {database} OWNER {owner}'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {app};
\\connect {database}
ALTER SCHEMA public OWNER TO {owner};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {app};
"""


class PostgresFailed(LocalError):
    """A PostgreSQL program ended with an error; the message carries its last lines."""


class PostgresServer:
    """The server that owns `folder`. Passwords are URL-safe tokens."""

    def __init__(self, folder: Path, *, superuser_password: str, owner_password: str, app_password: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.account: Account | None = account_for(folder)
        self._superuser_password = superuser_password
        self._passwords = {OWNER_ROLE: owner_password, APP_ROLE: app_password}

    def initialise(self) -> None:
        """Create the cluster unless it is there; a cluster half made by a killed start is made anew.

        Raises:
            PostgresFailed: initdb ended with an error.
            DataFolderUnusable: another major version wrote the cluster.
        """
        if (self.data / "PG_VERSION").exists():
            if (major := self.major_version()) != POSTGRES_MAJOR:
                raise DataFolderUnusable(
                    f"{self.data} was written by PostgreSQL {major}, this Lyceum brings {POSTGRES_MAJOR}"
                )
            return
        self._refuse_nameless()
        make_private_folder(self.folder, self.account)
        password_file = self.folder / "password"
        write_private_file(password_file, self._superuser_password, self.account)
        draft = self.folder / "data.new"
        try:
            if draft.exists():
                shutil.rmtree(draft)
            self._run(
                str(postgres_program("initdb")), "--pgdata", str(draft), "--username", SUPERUSER,
                "--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8",
                "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-instructions",
            )  # fmt: skip
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def _refuse_nameless(self) -> None:
        if self.account is None:
            try:
                pwd.getpwuid(os.geteuid())
            except KeyError:
                raise PostgresFailed(
                    f"PostgreSQL does not start for a user without a name: give the id {os.geteuid()} a line in /etc/passwd"
                ) from None

    def major_version(self) -> int:
        """Return the major version that wrote the cluster."""
        return int((self.data / "PG_VERSION").read_text())

    def command(self, port: int, options: tuple[str, ...] = ()) -> list[str]:
        """Return the server's command line: loopback only, no Unix socket."""
        listen = (f"listen_addresses={LOOPBACK}", f"port={port}", "unix_socket_directories=")
        settings = [word for option in (*listen, *TUNING, *options) for word in ("-c", option)]
        return [str(postgres_program("postgres")), "-D", str(self.data), *settings]

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server with this pid accepts connections (`postmaster.pid`, as pg_ctl reads it)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def create_roles(self, port: int) -> None:
        """Create the two roles and the database, or set their passwords and rights again.

        Raises:
            PostgresFailed: a statement failed.
        """
        names = {"owner": OWNER_ROLE, "app": APP_ROLE, "database": DATABASE}
        passwords = {"owner_password": self._passwords[OWNER_ROLE], "app_password": self._passwords[APP_ROLE]}
        self.execute(port, ROLES_SQL.format(**names, **passwords))

    def execute(self, port: int, script: str, database: str = "postgres") -> str:
        """Run a psql script as superuser and return its unaligned output.

        Raises:
            PostgresFailed: a statement failed.
        """
        command = [
            str(postgres_program("psql")), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
            "-v", "ON_ERROR_STOP=1",
            "-h", LOOPBACK, "-p", str(port), "-U", SUPERUSER, "-d", database, "-f", "-",
        ]  # fmt: skip
        environment = {**os.environ, "PGPASSWORD": self._superuser_password, "PGCONNECT_TIMEOUT": "10"}
        done = subprocess.run(  # noqa: S603
            command, input=script, text=True, capture_output=True, env=environment, check=False, timeout=60
        )
        if done.returncode:
            raise PostgresFailed(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def url(self, port: int, role: str, database: str = DATABASE) -> str:
        """Return the address for one of the two roles."""
        return f"postgresql://{role}:{quote(self._passwords[role])}@{LOOPBACK}:{port}/{database}"

    def _run(self, *command: str) -> None:
        launch = launch_command(command, death_signal=signal.SIGTERM, account=self.account)
        done = subprocess.run(launch, text=True, capture_output=True, cwd="/", check=False, timeout=120)  # noqa: S603
        if done.returncode:
            raise PostgresFailed(f"{Path(command[0]).name}: {(done.stderr or done.stdout).strip()[-500:]}")
