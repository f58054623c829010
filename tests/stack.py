"""The whole system as a person starts it: `lyceum up` in a process of its own, on free ports and a folder of its own."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ops.local.data_folder import DataFolder
from ops.local.ports import is_free
from ops.local.processes import launch_command
from ops.local.records import Running, read_running
from ops.runtime.settings import variable_names

ROOT = Path(__file__).parents[1]
READY_SECONDS = 150
STOP_SECONDS = 90
PASSWORD = "Demo-people-4-tests"
LAST_LINE = "Ctrl-C"
"""Of those `up` prints once all is ready."""


@dataclass
class Stack:
    """A running `lyceum up`; `password` is that of the three demo people."""

    process: subprocess.Popen[str]
    data_dir: Path
    port: int
    password: str
    lines: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    admin = "admin@lyceum.example"
    lecturer = "lecturer@lyceum.example"
    student = "student@lyceum.example"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> Running:
        return read_running(DataFolder(self.data_dir))

    def pid_of(self, name: str) -> int:
        return next(process.identity.pid for process in self.running.processes if process.name == name)

    def environment(self, **changes: str) -> dict[str, str]:
        """What another `lyceum` command needs to find this installation."""
        return stack_environment(self.data_dir, self.port, self.password) | changes

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready.wait(0.1):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("lyceum up is not ready:\n" + "\n".join(self.lines))

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(LAST_LINE):
                self.ready.set()


def stack_environment(data_dir: Path, port: int, password: str) -> dict[str, str]:
    ours = {*variable_names(), *(f"{name}_FILE" for name in variable_names())}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return inherited | {
        "LYCEUM_DATA_DIR": str(data_dir),
        "LYCEUM_PORT": str(port),
        "LYCEUM_DEMO_PASSWORD": password,
        "COLUMNS": "200",
    }


def start_stack(
    data_dir: Path, *, port: int = 0, password: str = PASSWORD, changes: Mapping[str, str] | None = None
) -> Stack:
    """Start without waiting; the caller stops it."""
    port = port or _port_below_the_ephemeral()
    command = [sys.executable, "-m", "ops.cli.main", "up"]
    process = subprocess.Popen(
        launch_command(command, death_signal=signal.SIGTERM, account=None),
        cwd=ROOT,
        env=stack_environment(data_dir, port, password) | dict(changes or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    stack = Stack(process, data_dir, port, password)
    threading.Thread(target=stack.read, daemon=True).start()
    return stack


def _port_below_the_ephemeral() -> int:
    """Return a port that is free, as are the ten after it, and that no connection going out takes in the meantime."""
    while True:
        port = random.randrange(12000, 32000)
        if all(is_free(port + distance) for distance in range(10)):
            return port


@contextmanager
def running_stack(data_dir: Path, changes: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run the whole system until the block ends."""
    stack = start_stack(data_dir, changes=changes)
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()
