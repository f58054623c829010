"""A vector server of this folder's own, a gateway whose encoder is a few lines, and schools on a fresh database."""

import base64
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateways import RunningGateway, running_gateway
from tests.integration.scope.material import WordsEncoder
from tests.integration.scope.school import School, opened
from tests.servers import Database
from tests.vectors import RunningVectors, running_vectors


@pytest.fixture(scope="module")
def own_vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVectors]:
    """Not the suite's: this encoder's collection would take the alias from the real one's."""
    with running_vectors(tmp_path_factory.mktemp("vectors") / "vectors") as server:
        yield server


@pytest.fixture(scope="module")
def words_gateway() -> Iterator[RunningGateway]:
    with running_gateway(encoder=WordsEncoder(), key=os.urandom(32)) as gateway:
        yield gateway


@pytest.fixture
async def school(
    tmp_path: Path, database: Database, valkey_url: str, own_vectors: RunningVectors, words_gateway: RunningGateway
) -> AsyncIterator[School]:
    key = base64.b64encode(words_gateway.key).decode()
    async with opened(tmp_path, database, valkey_url, own_vectors.url, words_gateway, key) as made:
        yield made
