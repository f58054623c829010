"""Gateways to compare, one process each in front of the same upstream: the product's, LiteLLM's proxy and Portkey's."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import psutil
from rich.console import Console

from db.repositories.quotas import QuotaRow, put_quota
from db.unit_of_work import unit_of_work
from inference_gateway.contract import GENERATE_PURPOSE
from ops.local.command import lyceum_command, lyceum_environment
from ops.local.ports import free_port
from ops.runtime.crypto import decode_key
from ops.runtime.ids import new_id
from ops.runtime.tokens import ServiceClaims, ServiceTokens
from tests.bench.jobs_site import JobSite
from tests.bench.peer import PROGRAMS, environment, node_package
from tests.stack import ROOT

MODEL = "tutor"
CALLERS = 300
START_SECONDS = 120
STOP_SECONDS = 40
QUOTA = 10**10
DAY_SECONDS = 86_400
ROUTES = """permits = 1000
[upstreams.quick]
address = "{url}"
model = "{model}"
price = {{ prompt = 0.0005, completion = 0.0015 }}
[aliases]
{model} = ["quick"]
"""
"""Room for 500 streams: a gateway takes 64 generations at a time unless told that it feeds more than one server."""

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Gateway:
    """One that serves at `url`; `headers` are those of its callers, good for a minute."""

    name: str
    url: str
    process: psutil.Process
    headers: Callable[[], Sequence[Headers]]

    @property
    def cpu_seconds(self) -> float:
        """Processor time that the process has used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    @property
    def rss_mb(self) -> float:
        """Resident memory now, in MB (10^6 bytes)."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def running_gateways(site: JobSite, console: Console) -> Iterator[list[Gateway]]:
    """Run the bare upstream, called `upstream`, and all gateways before it; the product's is the second."""
    python = environment("litellm", console)
    node, package = node_package("portkey", console)
    with ExitStack() as stack:
        upstream = stack.enter_context(_upstream(site.folder))
        product = stack.enter_context(_product(site, upstream.url))
        litellm = stack.enter_context(_litellm(python, upstream.url, site.folder))
        portkey = stack.enter_context(_portkey(node, package, upstream.url, site.folder))
        yield [upstream, product, litellm, portkey]


@contextmanager
def _upstream(folder: Path) -> Iterator[Gateway]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.quick_upstream", str(port)]
    with _running(command, os.environ, port, "/v1/models", folder / "upstream.log", ROOT) as process:
        yield Gateway("upstream", f"http://127.0.0.1:{port}", process, lambda: [{}])


@contextmanager
def _product(site: JobSite, upstream_url: str) -> Iterator[Gateway]:
    """As in production: tokens, quotas in Redis, fair queue, breakers, records in PostgreSQL with prices.

    It logs as little as its peers.
    """
    asyncio.run(_set_quotas(site))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = msgspec.structs.replace(site.settings, gateway_url=url, routes=wide_routes(site.folder, upstream_url))
    tokens = ServiceTokens(decode_key(settings.service_key))
    people = [new_id() for _ in range(CALLERS)]
    log = site.folder / "gateway.log"
    with _running(
        lyceum_command("run", "gateway"), lyceum_environment(settings), port, "/health/ready", log, ROOT
    ) as process:
        yield Gateway("lyceum", url, process, lambda: _signed(tokens, site.someone.tenant_id, people))


def wide_routes(folder: Path, upstream_url: str) -> Path:
    """Return a routing file with one upstream, and room for as many generations as a fleet of servers has."""
    routes = folder / "routes.toml"
    routes.write_text(ROUTES.format(url=upstream_url, model=MODEL))
    return routes


async def _set_quotas(site: JobSite) -> None:
    """Give the tenant and each of its people a quota of tokens and one of requests, so that four are looked after a request."""
    async with site.opened(), unit_of_work() as uow:
        for level in ("tenant", "person"):
            row = QuotaRow(level=level, subject_id=None, tokens=QUOTA, requests=QUOTA, period_seconds=DAY_SECONDS)
            await put_quota(uow, site.someone.tenant_id, row, None)


def _signed(tokens: ServiceTokens, tenant_id: UUID, people: Sequence[UUID]) -> list[Headers]:
    claims = [ServiceClaims(tenant_id=tenant_id, user_id=one, purpose=GENERATE_PURPOSE) for one in people]
    return [{"Authorization": f"Bearer {tokens.issue(each)}"} for each in claims]


@contextmanager
def _litellm(python: Path, upstream_url: str, folder: Path) -> Iterator[Gateway]:
    port, key = free_port(), f"sk-{secrets.token_hex(8)}"
    command = [str(python.with_name("litellm")), "--config", "litellm.yaml", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", "1"]
    settings = {
        "UPSTREAM_URL": f"{upstream_url}/v1",
        "UPSTREAM_KEY": "none",
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **settings}
    with _running(command, variables, port, "/health/liveliness", folder / "litellm.log", PROGRAMS) as process:
        yield Gateway("litellm", f"http://127.0.0.1:{port}", process, lambda: [{"Authorization": f"Bearer {key}"}])


@contextmanager
def _portkey(node: Path, package: Path, upstream_url: str, folder: Path) -> Iterator[Gateway]:
    port = free_port()
    command = [str(node), str(package / "build" / "start-server.js"), f"--port={port}", "--headless"]
    headers = {
        "Authorization": "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"{upstream_url}/v1",
    }
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "NODE_ENV": "production"}
    with _running(command, variables, port, "/", folder / "portkey.log", package) as process:
        yield Gateway("portkey", f"http://127.0.0.1:{port}", process, lambda: [headers])


@contextmanager
def _running(
    command: Sequence[str], variables: Mapping[str, str], port: int, probe: str, log: Path, folder: Path
) -> Iterator[psutil.Process]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"http://127.0.0.1:{port}{probe}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} is not ready: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
