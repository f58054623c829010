"""Lyceum's own processes for the tests: gateway, worker, clock, api, each killed or stopped when the test wants."""

import asyncio
import base64
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ops.local.command import lyceum_environment
from ops.local.ports import free_port
from ops.runtime.settings import Settings

ROOT = Path(__file__).parents[1]
START_SECONDS = 90
PATIENCE_SECONDS = 20
"""For what takes a moment, on a machine that has much else to do."""
RUN = {
    "worker": "from actors.main import run_worker as run",
    "job_worker": "from tests.chaos.job_worker import run",
    "ledger_worker": "from tests.chaos.ledger.programs import run_worker as run",
    "ledger_clock": "from tests.chaos.ledger.programs import run_clock as run",
    "ledger_enqueuer": "from tests.chaos.ledger.programs import run_enqueuer as run",
    "bench_worker": "from tests.bench.jobs_worker import run",
    "clock": "from actors.clock import run_clock as run",
    "gateway": "from inference_gateway.app import serve as run",
    "gateway_one_by_one": "from tests.chaos.one_by_one import serve as run",
    "api": "from backend.app import serve as run",
    "unlimited_api": "from tests.contract.api.unlimited import serve as run",
}


@dataclass(frozen=True)
class Running:
    """A process of Lyceum that is ready; its log is at `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self, timeout_seconds: float = 30) -> int:
        """SIGTERM; return the exit code."""
        if self.alive:
            self.process.terminate()
        return self.process.wait(timeout=timeout_seconds)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the process to end by itself; False when it did not."""
        try:
            self.process.wait(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def start(
    name: str,
    settings: Settings,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    arguments: str = "",
) -> Running:
    """Start `name` with `settings` and wait until it is ready."""
    log = folder / f"{name}.log"
    listening, telling = os.pipe()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _program(name, arguments)],
                cwd=ROOT,
                env=lyceum_environment(settings) | {"LYCEUM_READY_FD": str(telling)} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(telling,),
            )
    finally:
        os.close(telling)
    running = Running(name, process, log)
    try:
        if name.startswith("gateway") or name.endswith("api"):
            address = settings.gateway_url if name.startswith("gateway") else f"http://127.0.0.1:{settings.port}"
            until(lambda: _is_ready(running, address), START_SECONDS, lambda: log.read_text()[-3000:])
        else:
            _await_ready(running, listening)
    except BaseException:
        process.kill()
        raise
    finally:
        os.close(listening)
    return running


def _program(name: str, arguments: str) -> str:
    return f"{RUN[name]}; from ops.runtime.settings import load_settings; run(load_settings(){arguments})"


def _await_ready(running: Running, listening: int) -> None:
    """Block until the process writes its newline; the end of the pipe means that it died."""
    readable, _, _ = select.select([listening], [], [], START_SECONDS)
    if not readable or not os.read(listening, 1):
        raise RuntimeError(f"{running.name} did not start: {running.log.read_text()[-3000:]}")


@contextmanager
def process(name: str, settings: Settings, folder: Path, **options: object) -> Iterator[Running]:
    """A process for the duration of the block."""
    running = start(name, settings, folder, **options)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        if running.alive:
            running.stop()


@dataclass(frozen=True)
class Gateway:
    """A gateway with the packaged embedder, and the key its clients sign with."""

    url: str
    service_key: str
    pid: int = 0
    """Zero for one that runs inside the test's process."""


@contextmanager
def running_gateway(folder: Path, name: str = "gateway", **others: Any) -> Iterator[Gateway]:
    """Run a gateway with `others` of its settings; its embedder is loaded."""
    url, key = f"http://127.0.0.1:{free_port()}", base64.b64encode(secrets.token_bytes(32)).decode()
    settings = msgspec.structs.replace(Settings(data_dir=folder, gateway_url=url, service_key=key), **others)
    with process(name, settings, folder) as running:
        yield Gateway(url, key, running.process.pid)


@contextmanager
def held_up(pid: int) -> Iterator[None]:
    """Let the process stand still for the block: whatever needs it lasts as long as the test looks."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def until(
    condition: Callable[[], bool], timeout_seconds: float = PATIENCE_SECONDS, why: Callable[[], str] = lambda: ""
) -> None:
    """Wait for `condition`, polling."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(why())
        time.sleep(0.05)


async def eventually(
    condition: Callable[[], bool], timeout_seconds: float = PATIENCE_SECONDS, why: str = "it did not happen"
) -> None:
    """Wait for `condition` and let the caller's event loop run, which may be what fulfils it."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, why
        await asyncio.sleep(0.002)


def _is_ready(running: Running, url: str) -> bool:
    if not running.alive:
        raise RuntimeError(f"{running.name} did not start: {running.log.read_text()[-3000:]}")
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
