"""`lyceum tenant create`, `admin create` and `admin reset` against a migrated database."""

import subprocess
from pathlib import Path

import asyncpg
import pytest

from tests.commands import environment_for, run_command
from tests.servers import Database


class Lyceum:
    """The command in a process of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self._folder = folder

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_command(arguments, self.environment, self._folder)


@pytest.fixture
def lyceum(database: Database, valkey_url: str, broker_url: str, tmp_path: Path) -> Lyceum:
    return Lyceum(environment_for(database, valkey_url, broker_url, tmp_path), tmp_path)


async def _fetch(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_an_administrator_is_made_and_gets_a_link(lyceum: Lyceum, database: Database) -> None:
    done = lyceum("admin", "create", "dean@uni.example", "--name", "The Dean")
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:8000/" in done.stdout
    people = await _fetch(database.owner_url, "SELECT email, display_name FROM users")
    assert people == [("dean@uni.example", "The Dean")]
    again = lyceum("admin", "create", "dean@uni.example")
    assert again.returncode == 1
    assert again.stderr.startswith("Error: ")
    assert "Traceback" not in again.stderr
    reset = lyceum("admin", "reset", "dean@uni.example")
    assert reset.returncode == 0
    assert reset.stdout.splitlines()[-1] != done.stdout.splitlines()[-1]


async def test_a_second_tenant_gets_its_own_administrator(lyceum: Lyceum, database: Database) -> None:
    assert lyceum("tenant", "create", "North School", "--slug", "north").returncode == 0
    assert lyceum("admin", "create", "head@north.example", "--tenant", "north").returncode == 0
    rows = await _fetch(
        database.owner_url,
        "SELECT t.slug FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE u.email = 'head@north.example'",
    )
    assert rows == [("north",)]
    unknown = lyceum("admin", "create", "x@south.example", "--tenant", "south")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "south" in unknown.stderr


def test_without_servers_the_command_says_what_to_do(lyceum: Lyceum) -> None:
    del lyceum.environment["DATABASE_URL"]
    done = lyceum("admin", "reset", "dean@uni.example")
    assert done.returncode == 3
    assert "lyceum up" in done.stderr
    assert "DATABASE_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_server_that_is_down_is_one_sentence(lyceum: Lyceum) -> None:
    lyceum.environment["DATABASE_URL"] = "postgresql://lyceum_app:x@127.0.0.1:1/lyceum"
    done = lyceum("admin", "reset", "dean@uni.example")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


async def test_migrate_tells_what_it_applied(lyceum: Lyceum, empty_database: Database) -> None:
    lyceum.environment |= {"DATABASE_URL": empty_database.url, "DATABASE_DIRECT_URL": empty_database.owner_url}
    first, second = lyceum("migrate"), lyceum("migrate")
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout.count("applied ") >= 2
    assert second.stdout == "the schema is up to date\n"
    assert ("users",) in await _fetch(empty_database.owner_url, "SELECT tablename FROM pg_tables")


async def test_production_does_not_serve_demo_people(lyceum: Lyceum, database: Database, tmp_path: Path) -> None:
    assert lyceum("demo").returncode == 0
    elsewhere = {"QDRANT_URL": "http://127.0.0.1:1", "GATEWAY_URL": "http://127.0.0.1:1", "LYCEUM_ENV": "production"}
    lyceum.environment |= elsewhere
    refused = lyceum("run", "api")
    assert refused.returncode == 1
    assert "demo people" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


async def test_the_demo_made_twice_is_there_once(lyceum: Lyceum, database: Database, tmp_path: Path) -> None:
    lyceum.environment |= {
        "OBJECT_STORE_URL": (tmp_path / "objects").as_uri(),
        "LYCEUM_DEMO_PASSWORD": "First-one-4-all",
    }
    first = lyceum("demo")
    assert first.returncode == 0, first.stderr
    lyceum.environment["LYCEUM_DEMO_PASSWORD"] = "Second-one-4-all"
    assert lyceum("demo").returncode == 0
    counts = """SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM faculties), (SELECT count(*) FROM courses),
        (SELECT count(*) FROM documents), (SELECT count(*) FROM enrolments WHERE ended_at IS NULL),
        (SELECT count(*) FROM jobs WHERE kind = 'documents.ingest')"""
    assert await _fetch(database.owner_url, counts) == [(3, 2, 4, 6, 2, 6)]


async def test_a_weak_demo_password_is_refused_with_a_sentence(lyceum: Lyceum, database: Database) -> None:
    lyceum.environment["LYCEUM_DEMO_PASSWORD"] = "demo"
    done = lyceum("demo")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
