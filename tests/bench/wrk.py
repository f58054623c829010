"""wrk, with its requests spread over signed-in people, or written out by the caller."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

ROTATING = Path(__file__).with_name("rotating.lua")
POSTING = Path(__file__).with_name("posting.lua")
CONNECTIONS = 16


class Load(msgspec.Struct, frozen=True):
    """What one run of wrk saw; `bad` counts broken connections and answers other than 2xx and 3xx."""

    requests: int
    seconds: float
    bad: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def run_wrk(url: str, tokens: Sequence[str], seconds: int) -> Load:
    """Ask for `url` over 16 connections, each request with the next of `tokens`.

    Raises:
        RuntimeError: wrk is missing or failed, or an answer was not a success.
    """
    return _run(url, ROTATING, "\n".join(tokens), CONNECTIONS, seconds)


def run_requests(url: str, requests: Sequence[str], connections: int, seconds: int) -> Load:
    """Send the `requests`, each an HTTP request in full, in turn over so many connections.

    Raises:
        RuntimeError: as `run_wrk` does.
    """
    return _run(url, POSTING, "\0".join(requests), connections, seconds)


def _run(url: str, script: Path, content: str, connections: int, seconds: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".wrk") as file:
        file.write(content)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url, "--", file.name]
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30)
        except FileNotFoundError as error:
            raise RuntimeError("wrk is missing: apt-get install wrk") from error
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"wrk failed: {error.stderr or error.stdout}") from error
    load = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Load)
    if load.bad or not load.requests:
        raise RuntimeError(f"{url}: {load.bad} of {load.requests} requests failed")
    return load
