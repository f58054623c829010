"""The data folder: who may use it, what lies where, which versions wrote it, the secrets made in it."""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ops.local.account import write_private_file
from ops.local.binaries import POSTGRES_MAJOR
from ops.local.errors import AlreadyRunning, DataFolderUnusable

KEPT_LOGS = 3
LOG_BYTES = 10 * 1024 * 1024
KEYS = ("signing_key", "master_key", "service_key")


class Versions(msgspec.Struct, kw_only=True):
    """What wrote the folder. `schema` is the last migration's id, `migrations_digest` the program's that applied it."""

    postgres_major: int = 0
    schema: str = ""
    migrations_digest: str = ""
    demo_loaded: bool = False


class DataFolder:
    """One installation's files under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self.secrets = root / "secrets"
        self.postgres = root / "postgres"
        self.valkey = root / "valkey"
        self.vectors = root / "vectors"
        self.objects = root / "objects"
        self.running = root / "running.json"
        self._versions = root / "lyceum.json"

    def prepare(self) -> None:
        """Create the folder and its private parts; a folder that is there keeps its owner and mode.

        Raises:
            DataFolderUnusable: it cannot be written, or holds something else.
        """
        try:
            if not self.root.exists():
                # Servers under another account pass through; what is private has a mode of its own.
                self.root.parent.mkdir(parents=True, exist_ok=True)
                self.root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
            elif not self._versions.exists() and any(self.root.iterdir()):
                raise DataFolderUnusable(f"{self.root} holds other files: set LYCEUM_DATA_DIR to an empty folder")
            if not self._versions.exists():
                self.write_versions(Versions())
            for folder in (self.logs, self.secrets, self.vectors, self.objects):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise DataFolderUnusable(f"the data folder {self.root} cannot be used: {error.strerror}") from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Own the folder until the block ends; the kernel lets go of it when this process dies.

        Raises:
            AlreadyRunning: another process owns it.
        """
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(
                    f"Lyceum already runs on {self.root}: `lyceum status` shows it, `lyceum down` stops it"
                ) from error
            yield

    def versions(self) -> Versions:
        """Return what wrote the folder.

        Raises:
            DataFolderUnusable: the record cannot be read, or a newer PostgreSQL wrote the cluster.
        """
        try:
            versions = msgspec.json.decode(self._versions.read_bytes(), type=Versions)
        except FileNotFoundError:
            return Versions()
        except (OSError, msgspec.MsgspecError) as error:
            raise DataFolderUnusable(f"{self._versions} cannot be read: {error}") from error
        if versions.postgres_major > POSTGRES_MAJOR:
            raise DataFolderUnusable(
                f"{self.root} was written by PostgreSQL {versions.postgres_major}, this Lyceum brings {POSTGRES_MAJOR}:"
                " use a newer Lyceum"
            )
        return versions

    def write_versions(self, versions: Versions) -> None:
        """Record what wrote the folder."""
        write_private_file(self._versions, msgspec.json.format(msgspec.json.encode(versions)).decode())

    def secret(self, name: str) -> str:
        """Return a secret of this installation, made now if it is new: keys as base64 of 32 bytes, else a URL-safe token."""
        path = self.secrets / name
        if not path.exists():
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            write_private_file(path, key if name in KEYS else secrets.token_urlsafe(18))
        return path.read_text()

    def write_secret(self, name: str, value: str) -> None:
        """Replace a secret of this installation."""
        write_private_file(self.secrets / name, value)

    def log_file(self, name: str) -> Path:
        """Return the log file of a process, set aside first when it has grown large."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            for number in range(KEPT_LOGS, 0, -1):
                older = path if number == 1 else path.with_suffix(f".log.{number - 1}")
                if older.exists():
                    older.replace(path.with_suffix(f".log.{number}"))
        return path
