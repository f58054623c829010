"""Stops the local installation of a data folder, whether its supervisor runs or was killed."""

import signal

from ops.local.data_folder import DataFolder
from ops.local.errors import LocalError, NotRunning
from ops.local.processes import stop
from ops.local.records import read_running, stop_leftovers

STOP_SECONDS = 90.0


def stop_running(folder: DataFolder) -> str:
    """Stop what runs and return a sentence about it.

    Raises:
        NotRunning: nothing of this folder runs.
        LocalError: the processes belong to somebody else.
    """
    if not folder.root.exists():
        raise NotRunning(f"nothing runs on {folder.root}")
    running = read_running(folder)
    try:
        if running.supervisor is not None and running.is_alive:
            stop(running.supervisor, signal.SIGTERM, STOP_SECONDS)
            return f"stopped (pid {running.supervisor.pid})"
        with folder.lock():
            left = stop_leftovers(folder)
    except PermissionError as error:
        raise LocalError(f"what runs on {folder.root} belongs to another user") from error
    if not left:
        raise NotRunning(f"nothing runs on {folder.root}")
    return f"stopped what a killed run had left: {', '.join(left)}"
