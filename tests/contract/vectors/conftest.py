"""The server under test: ours in a process of its own, and whatever `QDRANT_URL` names where it is set."""

import os
import secrets
import warnings
from collections.abc import AsyncIterator, Iterator

import pytest
from qdrant_client import AsyncQdrantClient

from tests.contract.vectors.pair import Pair
from tests.vectors import RunningVectors, running_vectors

EXTERNAL_URL = os.environ.get("QDRANT_URL", "")
SERVERS = [
    "local",
    pytest.param(
        "external",
        marks=[
            pytest.mark.needs_external,
            pytest.mark.skipif(not EXTERNAL_URL, reason="QDRANT_URL names no Qdrant server"),
        ],
    ),
]


@pytest.fixture(scope="session")
def local_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVectors]:
    with running_vectors(tmp_path_factory.mktemp("vectors") / "data") as server:
        yield server


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    """Address of the server under test."""
    if request.param == "external":
        return EXTERNAL_URL
    server: RunningVectors = request.getfixturevalue("local_server")
    return server.url


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncQdrantClient]:
    headers = {"api-key": key} if (key := os.environ.get("QDRANT_API_KEY")) else None
    client = AsyncQdrantClient(url=url, headers=headers, check_compatibility=False, timeout=30)
    yield client
    await client.close()


@pytest.fixture
async def pair(client: AsyncQdrantClient) -> AsyncIterator[Pair]:
    """A collection on the server under test and its twin in qdrant-client's memory."""
    with warnings.catch_warnings():
        # The local mode has no payload indexes and says so.
        warnings.filterwarnings("ignore", message="Payload indexes have no effect in the local Qdrant")
        pair = Pair(client, AsyncQdrantClient(":memory:"), f"contract-{secrets.token_hex(8)}")
        await pair.create()
        yield pair
        await pair.drop()
