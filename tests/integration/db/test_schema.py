"""What holds of every table, read from the catalogue of a migrated database."""

from collections.abc import AsyncIterator

import pytest

from db import query
from db.engine import close_database, open_pool
from tests.servers import Database

PICCOLO = "migration"
"""Piccolo's own table."""
OTHER_KEYS = {
    "login_failures": "bytea",  # the hash of an address that may be nobody's
    PICCOLO: "integer",
}
KEPT_FOR_OTHER_REASONS = {
    "document_versions",  # go with their document, whose date it is
    "grants",  # 30 days after their end
    "roles",  # nobody's data; grants that ended speak of them
    "tenants",  # no operation deletes one yet
    "webhook_endpoints",  # an hour later, when nothing can be written for them any more
}
"""Tables with `deleted_at` and no purge date of their own."""
PIECES = """
FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = 'public' AND t.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
"""


@pytest.fixture
async def catalogue(database: Database) -> AsyncIterator[None]:
    await open_pool(database.url)
    yield
    await close_database()


async def tables_with(column: str) -> set[str]:
    """The tables that have the column."""
    return set(await query.fetch_values(f"SELECT t.relname::text {PIECES} AND a.attname = $1", column))


async def columns_of(type_pattern: str) -> list[str]:
    """`table.column type` of every column whose type matches."""
    return await query.fetch_values(
        f"""SELECT t.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) {PIECES}
              AND format_type(a.atttypid, a.atttypmod) ~ $1 ORDER BY 1""",
        type_pattern,
    )


@pytest.mark.usefixtures("catalogue")
async def test_primary_keys_are_uuids() -> None:
    keys = await query.fetch_values(
        """SELECT t.relname || ' ' || string_agg(format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
           FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(i.indkey)
           WHERE i.indisprimary AND n.nspname = 'public' GROUP BY t.relname ORDER BY 1"""
    )
    found = dict(key.split(" ", 1) for key in keys)
    assert set(found) == set(await query.fetch_values(f"SELECT DISTINCT t.relname::text {PIECES}")), "all have one"
    assert {table: kind for table, kind in found.items() if kind != "uuid"} == OTHER_KEYS


@pytest.mark.usefixtures("catalogue")
async def test_moments_have_a_time_zone_and_json_is_binary() -> None:
    without = set(await columns_of("^time")) - set(await columns_of("^timestamp with time zone$"))
    assert without == {f"{PICCOLO}.ran_on timestamp without time zone"}
    assert len(await columns_of("^timestamp with time zone$")) > 40
    assert await columns_of("^json") == await columns_of("^jsonb$")
    assert len(await columns_of("^jsonb$")) > 5


@pytest.mark.usefixtures("catalogue")
async def test_what_is_deleted_softly_has_a_purge_date() -> None:
    deleted, purged = await tables_with("deleted_at"), await tables_with("purge_after")
    assert deleted - purged == KEPT_FOR_OTHER_REASONS
    assert purged <= deleted
