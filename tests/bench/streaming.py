"""An api process of its own, with a gateway and a slow generation server, for sockets to stream from."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psutil

from ops.local.command import lyceum_command, lyceum_environment
from ops.local.ports import free_port
from tests.bench.gateways import wide_routes
from tests.bench.site import Site
from tests.stack import ROOT

START_SECONDS = 120
STOP_SECONDS = 40


@dataclass(frozen=True)
class StreamingApi:
    """One api process; `written_url` tells what the generation server wrote when."""

    url: str
    process: psutil.Process
    written_url: str

    @property
    def rss_mb(self) -> float:
        """Resident memory now, in MB (10^6 bytes)."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def streaming_api(site: Site, folder: Path) -> Iterator[StreamingApi]:
    """Run all three until the block ends."""
    writer, gateway, api = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
    settings = msgspec.structs.replace(
        site.settings, gateway_url=gateway, routes=wide_routes(folder, writer), port=int(api.rpartition(":")[2])
    )
    environment = lyceum_environment(settings)
    with ExitStack() as stack:
        run = [sys.executable, "-m"]
        port = writer.rpartition(":")[2]
        stack.enter_context(
            _running([*run, "tests.bench.writer", port], dict(os.environ), f"{writer}/v1/models", folder)
        )
        stack.enter_context(_running(lyceum_command("run", "gateway"), environment, f"{gateway}/health/ready", folder))
        process = stack.enter_context(
            _running(lyceum_command("run", "api"), environment, f"{api}/health/ready", folder)
        )
        yield StreamingApi(api, psutil.Process(process.pid), f"{writer}/written")


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], probe: str, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / f"{command[-1]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(probe):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command[1:])} is not ready: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
