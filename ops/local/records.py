"""Which processes of this installation run, written down so that a later command recognises exactly those."""

import signal

import msgspec

from ops.local.account import write_private_file
from ops.local.data_folder import DataFolder
from ops.local.processes import Identity, is_alive, stop_all

LEFTOVER_SECONDS = 15.0


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised process; `port` is 0 where it listens on none."""

    name: str
    identity: Identity
    port: int = 0
    stop_signal: int = signal.SIGTERM


class Running(msgspec.Struct, kw_only=True):
    """A supervisor and its processes, in the order in which they are to be stopped."""

    supervisor: Identity | None = None
    port: int = 0
    processes: list[Process] = []

    @property
    def is_alive(self) -> bool:
        """Tell whether the supervisor runs."""
        return self.supervisor is not None and is_alive(self.supervisor)

    def port_of(self, name: str) -> int:
        """Return the port of a running process, 0 when there is none."""
        return next((p.port for p in self.processes if p.name == name and is_alive(p.identity)), 0)


def read_running(folder: DataFolder) -> Running:
    """Return the record, empty when there is none or when it was cut short."""
    try:
        return msgspec.json.decode(folder.running.read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return Running()


def write_running(folder: DataFolder, running: Running) -> None:
    """Replace the record."""
    write_private_file(folder.running, msgspec.json.encode(running).decode())


def stop_leftovers(folder: DataFolder) -> list[str]:
    """Stop what an earlier supervisor left running and return their names. The caller holds the folder's lock."""
    left = [process for process in read_running(folder).processes if is_alive(process.identity)]
    stop_all({process.identity: process.stop_signal for process in left}, LEFTOVER_SECONDS)
    write_running(folder, Running())
    return [process.name for process in left]
