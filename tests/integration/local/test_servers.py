"""The servers from the wheels: roles, passwords, durability, one user's folder."""

import os

import asyncpg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers import Database, RunningPostgres, RunningValkey


async def test_roles_are_neither_superuser_nor_exempt_from_row_security(postgres_server: RunningPostgres) -> None:
    for role in ("lyceum_app", "lyceum_owner"):
        connection = await asyncpg.connect(postgres_server.server.url(postgres_server.port, role))
        try:
            row = await connection.fetchrow(
                "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
            )
            assert tuple(row) == (False, False, False, False)
        finally:
            await connection.close()


async def test_app_role_cannot_create_tables(postgres_server: RunningPostgres) -> None:
    connection = await asyncpg.connect(postgres_server.server.url(postgres_server.port, "lyceum_app"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE mine (id int)")
    finally:
        await connection.close()


async def test_a_wrong_password_is_refused(postgres_server: RunningPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://lyceum_app:guess@127.0.0.1:{postgres_server.port}/lyceum")


async def test_text_is_utf8_and_case_folding_knows_more_than_ascii(empty_database: Database) -> None:
    connection = await asyncpg.connect(empty_database.owner_url)
    try:
        assert await connection.fetchval("SELECT lower('ÉCOLE مدرسة')") == "école مدرسة"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    finally:
        await connection.close()


def test_valkey_wants_its_password_and_appends_to_a_file(valkey_server: RunningValkey) -> None:
    with (
        redis.Redis(port=valkey_server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    with redis.Redis.from_url(valkey_server.url()) as client:
        assert client.config_get("appendonly", "appendfsync") == {"appendonly": "yes", "appendfsync": "everysec"}


def test_server_folders_belong_to_one_user_alone(
    postgres_server: RunningPostgres, valkey_server: RunningValkey
) -> None:
    for server in (postgres_server.server, valkey_server.server):
        status = server.folder.stat()
        assert status.st_mode & 0o777 == 0o700
        assert (status.st_uid != 0) if os.geteuid() == 0 else (status.st_uid == os.geteuid())
