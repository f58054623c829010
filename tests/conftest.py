"""Fixtures of real servers, shared by the whole suite.

`postgres_server`, `valkey_server`: one each per session. `database`: a fresh migrated database per test,
`module_database`: one per module. `valkey_url`, `broker_url`: empty logical databases per test. `stack`: `lyceum up`.
"""

import asyncio
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis
from xdist.remote import Producer

from tests.processes import Gateway, running_gateway
from tests.scheduling import ByInstallation, weight
from tests.servers import Database, RunningPostgres, RunningValkey, memory_folder, running_postgres, running_valkey
from tests.skips import may_be_skipped, skips_are_failures, turn_into_failure
from tests.stack import Stack, running_stack
from tests.vectors import RunningVectors, running_vectors

CACHE_DATABASE = 0
BROKER_DATABASE = 1
LONG = ("tests/chaos/", "tests/integration/trail/")
"""What takes an installation of its own, or minutes: for `make chaos`."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_gpu: needs an NVIDIA GPU")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(LONG):
            item.add_marker("long")
    items.sort(key=weight)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByInstallation:
    return ByInstallation(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and skips_are_failures() and not may_be_skipped(item, report):
        turn_into_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and skips_are_failures():
        turn_into_failure(report)
    return report


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[RunningPostgres]:
    """PostgreSQL from the wheel with the roles `lyceum_owner` and `lyceum_app`."""
    with memory_folder(server_folder) as folder, running_postgres(folder / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: RunningPostgres) -> str:
    """Name of a database with the whole schema, to copy from."""
    from db.migrate import migrate

    template = postgres_server.create_database()
    assert asyncio.run(migrate(template.owner_url))
    return template.name


@pytest.fixture
def database(postgres_server: RunningPostgres, migrated_template: str) -> Iterator[Database]:
    """A fresh migrated database for one test."""
    fresh = postgres_server.create_database(migrated_template)
    yield fresh
    postgres_server.drop_database(fresh.name)


@pytest.fixture(scope="module")
def module_database(postgres_server: RunningPostgres, migrated_template: str) -> Iterator[Database]:
    """A fresh migrated database for one module."""
    fresh = postgres_server.create_database(migrated_template)
    yield fresh
    postgres_server.drop_database(fresh.name)


@pytest.fixture
def empty_database(postgres_server: RunningPostgres) -> Iterator[Database]:
    """A database without a schema, for the migrations' own tests."""
    fresh = postgres_server.create_database()
    yield fresh
    postgres_server.drop_database(fresh.name)


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[RunningValkey]:
    """Valkey from the wheel, with a password."""
    with running_valkey(server_folder / "valkey") as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: RunningValkey) -> str:
    """Address of an empty logical database for one test."""
    return _emptied(valkey_server.url(CACHE_DATABASE))


@pytest.fixture
def broker_url(valkey_server: RunningValkey) -> str:
    """Address of another empty logical database, for the broker."""
    return _emptied(valkey_server.url(BROKER_DATABASE))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system with the demo, started once: `stack.base_url`, `stack.student` and others, `stack.password`."""
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def vector_server(server_folder: Path) -> Iterator[RunningVectors]:
    """The local vector server; points of different tests differ by tenant and document."""
    with running_vectors(server_folder / "vectors") as server:
        yield server


@pytest.fixture(scope="session")
def gateway_server(server_folder: Path) -> Iterator[Gateway]:
    """The gateway with the packaged embedder, loaded; it serves whoever signs with its key."""
    with running_gateway(server_folder) as gateway:
        yield gateway


def _emptied(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
