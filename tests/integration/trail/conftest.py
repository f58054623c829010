"""Api, worker, clock and gateway at work once, and everything they said about it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ops.local.ports import free_port
from ops.runtime.crypto import decode_key
from ops.runtime.settings import Settings
from ops.runtime.tokens import ServiceClaims, ServiceTokens
from tests import campus
from tests.fakes.openai_server import openai_server
from tests.installation import installed, settings_for
from tests.integration.trail.collector import Collector, collecting
from tests.integration.trail.story import Secrets, Story
from tests.processes import Gateway, process
from tests.servers import Database, RunningValkey
from tests.vectors import RunningVectors, running_vectors

CACHE, BROKER = 24, 25
PROCESSES = ("gateway", "api", "worker", "clock")


@dataclass(frozen=True)
class Trail:
    """What was done, and what is left of it: texts by where they were written."""

    story: Story
    texts: dict[str, str]
    spans: Collector

    def lines(self, service: str, request_id: str) -> list[dict[str, Any]]:
        """Log lines of a process about one request."""
        logged = [json.loads(line) for line in self.texts[f"{service}.log"].splitlines() if line.startswith("{")]
        return [line for line in logged if line.get("request_id") == request_id]


@pytest.fixture(scope="package")
def trail(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: Any,
    migrated_template: str,
    valkey_server: RunningValkey,
) -> Iterator[Trail]:
    folder = tmp_path_factory.mktemp("trail")
    database = postgres_server.create_database(migrated_template)
    with (
        running_vectors(folder / "vectors") as index,
        openai_server() as model,
        collecting() as spans,
    ):
        settings = _settings(folder, database, valkey_server, index)
        settings = msgspec.structs.replace(
            settings, generation_url=model.url, generation_model="tutor", otel_exporter_otlp_endpoint=spans.url
        )
        course_id, administrator = asyncio.run(_furnished(settings, folder))
        story = Story(f"http://127.0.0.1:{settings.port}", course_id, administrator, Secrets(), model)
        with ExitStack() as running:
            for name in PROCESSES:
                running.enter_context(process(name, settings, folder))
            story.tell()
            metrics = _metrics(settings)
        logs = {path.name: path.read_text(errors="replace") for path in folder.glob("*.log")}
        yield Trail(story, logs | metrics, spans)
    postgres_server.drop_database(database.name)


def _settings(folder: Path, database: Database, valkey: RunningValkey, index: RunningVectors) -> Settings:
    gateway = Gateway(f"http://127.0.0.1:{free_port()}", campus.secret())
    addresses = (valkey.url(CACHE), valkey.url(BROKER), index.url)
    settings = settings_for(folder, database, *addresses, gateway)
    return msgspec.structs.replace(settings, port=free_port(), log_level="debug")


async def _furnished(settings: Settings, folder: Path) -> tuple[str, str]:
    """A course, and an administrator's token."""
    async with installed(settings, folder) as site:
        opened = await campus.sign_in(site.home.administrator.user_id)
        return str(site.home.course.id), opened.tokens().access_token


def _metrics(settings: Settings) -> dict[str, str]:
    claims = ServiceClaims(tenant_id=None, user_id=None, purpose="metrics")
    token = ServiceTokens(decode_key(settings.service_key)).issue(claims)
    api = httpx.get(f"http://127.0.0.1:{settings.port}/metrics", timeout=10)
    gateway = httpx.get(f"{settings.gateway_url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return {"api metrics": api.raise_for_status().text, "gateway metrics": gateway.raise_for_status().text}
