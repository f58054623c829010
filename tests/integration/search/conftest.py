"""The application in the test's process, with a school whose documents are indexed."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator

import pytest

from tests import api, gateways
from tests.api import Api
from tests.installation import settings_for
from tests.processes import Gateway
from tests.servers import Database, RunningValkey
from tests.tutoring import School, open_school, process_settings
from tests.vectors import RunningVectors

CACHE, BROKER = 22, 23


@pytest.fixture(scope="module")
def school(
    tmp_path_factory: pytest.TempPathFactory,
    module_database: Database,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
) -> Iterator[School]:
    folder = tmp_path_factory.mktemp("search")
    with gateways.running_gateway() as gateway:
        address = Gateway(gateway.url, base64.b64encode(gateway.key).decode())
        cache, broker = valkey_server.url(CACHE), valkey_server.url(BROKER)
        settings = settings_for(folder, module_database, cache, broker, vector_server.url, address)
        yield asyncio.run(open_school(settings, folder))


@pytest.fixture
async def here(school: School) -> AsyncIterator[Api]:
    settings = school.settings
    async with api.running(settings.database_url, settings.redis_url, **process_settings(school)) as running:
        await running.app.state.redis.flushdb()
        yield running
