"""One site for all contract tests of the API."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from backend.app import create_app
from ops.local.ports import free_port
from tests.contract.api.seeds import sow
from tests.contract.api.site import Site, openapi_document
from tests.installation import settings_for
from tests.processes import Gateway, process
from tests.servers import RunningPostgres, RunningValkey
from tests.vectors import RunningVectors

CACHE, BROKER = 30, 31


@pytest.fixture(scope="package")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: RunningPostgres,
    migrated_template: str,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
    gateway_server: Gateway,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("contract")
    database = postgres_server.create_database(migrated_template)
    redis_urls = valkey_server.url(CACHE), valkey_server.url(BROKER)
    settings = settings_for(folder, database, *redis_urls, vector_server.url, gateway_server)
    settings = msgspec.structs.replace(settings, port=free_port(), max_upload_bytes=1024 * 1024)
    seeds = asyncio.run(sow(settings, folder))
    with process("unlimited_api", settings, folder):
        base_url = f"http://127.0.0.1:{settings.port}"
        site = Site(base_url, create_app(settings), openapi_document(base_url), seeds)
        site.converse()
        yield site
    postgres_server.drop_database(database.name)
