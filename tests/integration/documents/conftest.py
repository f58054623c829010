"""An installation with the real embedder and vector server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.installation import Installation, installed, settings_for
from tests.processes import Gateway, running_gateway
from tests.servers import Database
from tests.vectors import RunningVectors, running_vectors


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="package")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVectors]:
    with running_vectors(tmp_path_factory.mktemp("vectors") / "data") as running:
        yield running


@pytest.fixture
async def installation(
    tmp_path: Path, database: Database, valkey_url: str, broker_url: str, vectors: RunningVectors, gateway: Gateway
) -> AsyncIterator[Installation]:
    settings = settings_for(tmp_path, database, valkey_url, broker_url, vectors.url, gateway)
    async with installed(settings, tmp_path) as opened:
        yield opened
