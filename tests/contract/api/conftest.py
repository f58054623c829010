"""One site for all contract tests of the API."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from backend.app import create_app
from ops.local.ports import free_port
from tests.contract.api.seeds import sow
from tests.contract.api.site import Site, openapi_document
from tests.fakes.openai_server import openai_server
from tests.installation import settings_for
from tests.processes import Gateway, process, running_gateway
from tests.servers import RunningPostgres, RunningValkey
from tests.vectors import RunningVectors

CACHE, BROKER = 30, 31
ROUTES = """
[upstreams.first]
address = "{url}"
[upstreams.spare]
address = "{url}"
[aliases]
"tutor@stable" = ["first", "spare"]
"""
"""What the tests drain is the spare."""


@pytest.fixture(scope="package")
def writing_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with the packaged embedder and a model that speaks OpenAI's wire format."""
    folder = tmp_path_factory.mktemp("writing")
    with openai_server() as fake:
        (folder / "routes.toml").write_text(ROUTES.format(url=fake.url))
        with running_gateway(folder, routes=folder / "routes.toml") as gateway:
            yield gateway


@pytest.fixture(scope="package")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: RunningPostgres,
    migrated_template: str,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
    writing_gateway: Gateway,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("contract")
    database = postgres_server.create_database(migrated_template)
    redis_urls = valkey_server.url(CACHE), valkey_server.url(BROKER)
    settings = settings_for(folder, database, *redis_urls, vector_server.url, writing_gateway)
    settings = msgspec.structs.replace(settings, port=free_port(), max_upload_bytes=1024 * 1024)
    seeds = asyncio.run(sow(settings, folder))
    with process("unlimited_api", settings, folder):
        base_url = f"http://127.0.0.1:{settings.port}"
        site = Site(base_url, create_app(settings), openapi_document(base_url), seeds)
        site.converse()
        yield site
    postgres_server.drop_database(database.name)
