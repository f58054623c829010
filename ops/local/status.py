"""What runs on a data folder now: state, port, memory and age of each process."""

import time
from typing import Literal, NamedTuple

import psutil

from ops.local.data_folder import DataFolder
from ops.local.probes import ask
from ops.local.processes import is_alive
from ops.local.records import Process, read_running

PROBES = {"api": "/health/ready", "gateway": "/health", "vectors": "/readyz"}
Health = Literal["up", "not ready", "down"]


class ProcessStatus(NamedTuple):
    """One row of `lyceum status`; memory counts the process and all it started."""

    name: str
    health: Health
    pid: int
    port: int
    memory_bytes: int
    age_seconds: float


def process_statuses(folder: DataFolder) -> list[ProcessStatus]:
    """Return a row for each recorded process, in the order in which they would be stopped."""
    return [_status(process) for process in read_running(folder).processes]


def _status(process: Process) -> ProcessStatus:
    if not is_alive(process.identity):
        return ProcessStatus(process.name, "down", process.identity.pid, process.port, 0, 0.0)
    resident, age = _usage(process.identity.pid)
    return ProcessStatus(process.name, _health(process), process.identity.pid, process.port, resident, age)


def _health(process: Process) -> Health:
    path = PROBES.get(process.name)
    return "up" if path is None or ask(process.port, path).status == 200 else "not ready"


def _usage(pid: int) -> tuple[int, float]:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        return sum(_own_bytes(member) for member in family), time.time() - root.create_time()
    except psutil.Error:
        return 0, 0.0


def _own_bytes(process: psutil.Process) -> int:
    """Count pages shared with others (PostgreSQL's buffers) by share where the kernel tells."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)
