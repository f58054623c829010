"""Api processes with a generation model and without, shared by a module's tests."""

from collections.abc import Iterator

import pytest

from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.servers import Database, RunningValkey
from tests.tutoring import Replica, Replicas, heal, replicas
from tests.vectors import RunningVectors

CACHE, BROKER = 20, 21


@pytest.fixture(scope="module")
def fake_model() -> Iterator[FakeServer]:
    with openai_server() as fake:
        yield fake


@pytest.fixture(scope="module")
def campus_replicas(
    tmp_path_factory: pytest.TempPathFactory,
    module_database: Database,
    valkey_server: RunningValkey,
    vector_server: RunningVectors,
    fake_model: FakeServer,
) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("tutoring")
    addresses = (valkey_server.url(CACHE), valkey_server.url(BROKER), vector_server.url)
    with replicas(folder, module_database, *addresses, fake_model) as running:
        yield running


@pytest.fixture(scope="module")
def writer(campus_replicas: Replicas) -> Replica:
    """An api process with a generation model."""
    return campus_replicas.start()


@pytest.fixture(scope="module")
def other(campus_replicas: Replicas) -> Replica:
    """A second one on the same servers."""
    return campus_replicas.start()


@pytest.fixture(scope="module")
def quoter(campus_replicas: Replicas) -> Replica:
    """An api process without a generation model."""
    return campus_replicas.start(quoting=True)


@pytest.fixture(autouse=True)
def _behaves(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with a model that answers right and at once, and with a closed breaker before it."""
    yield
    if "fake_model" in request.fixturenames:
        fake: FakeServer = request.getfixturevalue("fake_model")
        fake.always("right")
        fake.seconds_per_piece = 0.0
        fake._script.clear()
        heal(request.getfixturevalue("campus_replicas").gateway)
