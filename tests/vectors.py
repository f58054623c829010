"""The real vector server for the tests, in a process group of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from ops.local.ports import free_port

ROOT = Path(__file__).parents[1]
START_SECONDS = 30


@dataclass(frozen=True)
class RunningVectors:
    """A server that answers: `process` speaks HTTP, its one child owns the files below `data_dir`."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """kill -9 both processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)


def start_vectors(data_dir: Path, *, api_key: str = "") -> RunningVectors:
    """Start a server and wait until it answers."""
    url = f"http://127.0.0.1:{free_port()}"
    log = data_dir.parent / f"{data_dir.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.local.vectors"],
            cwd=ROOT,
            env=os.environ | {"LYCEUM_DATA_DIR": str(data_dir), "QDRANT_URL": url, "QDRANT_API_KEY": api_key},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(log.read_text()[-2000:])
        time.sleep(0.02)
    return RunningVectors(url, data_dir, process)


@contextmanager
def running_vectors(data_dir: Path, *, api_key: str = "") -> Iterator[RunningVectors]:
    """Run a server on `data_dir` and stop it in order at the end, unless the test has killed it."""
    server = start_vectors(data_dir, api_key=api_key)
    try:
        yield server
    finally:
        if server.process.poll() is None and server.stop() != 0:
            raise RuntimeError(f"the vector server ended with {server.process.returncode}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
