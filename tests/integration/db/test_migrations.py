import asyncpg
import pytest

from db.drift import drifted_tables
from db.migrate import MigrationFailed, applied_migrations, known_migrations, migrate
from tests.servers import Database


async def test_migrations_apply_from_zero_and_a_second_time_without_change(empty_database: Database) -> None:
    assert await applied_migrations(empty_database.owner_url) == []

    first = await migrate(empty_database.owner_url)
    schema = await _schema(empty_database.owner_url)
    second = await migrate(empty_database.owner_url)

    assert first == known_migrations()
    assert second == []
    assert await _schema(empty_database.owner_url) == schema
    assert await applied_migrations(empty_database.url) == known_migrations()


async def test_a_database_newer_than_the_program_is_refused(empty_database: Database) -> None:
    await migrate(empty_database.owner_url)
    session = await asyncpg.connect(empty_database.owner_url)
    await session.execute("INSERT INTO migration (name, app_name) VALUES ('2999-01-01T00:00:00:000000', 'lyceum')")
    await session.close()

    with pytest.raises(MigrationFailed, match="use a newer Lyceum"):
        await migrate(empty_database.owner_url)


async def test_a_missing_role_is_named(empty_database: Database) -> None:
    with pytest.raises(MigrationFailed, match="the role nobody_here does not exist"):
        await migrate(empty_database.owner_url, "nobody_here")


def test_tables_and_migrations_do_not_drift() -> None:
    assert drifted_tables() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "UPDATE audit_seals SET hash = ''",
        "DELETE FROM audit_seals",
        "UPDATE migration SET name = 'x'",
        "DROP TABLE audit_log",
        "ALTER TABLE users ADD COLUMN x int",
    ],
)
async def test_the_programs_role_cannot_change_history(database: Database, statement: str) -> None:
    session = await asyncpg.connect(database.url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await session.execute(statement)
    await session.close()


async def test_every_reference_has_an_index_or_is_the_tenant(database: Database) -> None:
    session = await asyncpg.connect(database.owner_url)
    missing = await session.fetch(
        """SELECT c.conrelid::regclass::text AS tbl, a.attname FROM pg_constraint c
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
           WHERE c.contype = 'f' AND a.attname <> 'tenant_id' AND NOT EXISTS (
               SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = a.attnum)"""
    )
    await session.close()
    assert [tuple(row) for row in missing] == []


async def _schema(url: str) -> list[str]:
    session = await asyncpg.connect(url)
    columns = await session.fetch(
        """SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
           WHERE table_schema = 'public' ORDER BY 1, 2"""
    )
    indexes = await session.fetch("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    await session.close()
    return [str(tuple(row)) for row in [*columns, *indexes]]
