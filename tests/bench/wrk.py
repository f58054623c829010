"""wrk, with its requests spread over signed-in people, or written out by the caller."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

SCRIPT = Path(__file__).with_name("requests.lua")
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
    """Ask for `url` over 16 connections, each request in the name of the next of `tokens`: no rate limit is met.

    Raises:
        RuntimeError: wrk is missing or failed, or an answer was not a success.
    """
    parts = urlsplit(url)
    head = f"GET {parts._replace(scheme='', netloc='').geturl()} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    requests = [f"{head}Authorization: Bearer {token}\r\n\r\n" for token in tokens]
    return run_requests(url, requests, CONNECTIONS, seconds)


def run_requests(url: str, requests: Sequence[str], connections: int, seconds: int) -> Load:
    """Send the `requests`, each an HTTP request in full, in turn over so many connections.

    Raises:
        RuntimeError: as `run_wrk` does.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".wrk") as file:
        file.write("\0".join(requests))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url, "--", file.name]
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
