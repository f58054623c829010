"""SQL that Piccolo's builder cannot say, answered as frozen structs.

Rows are trusted: the database's own types and constraints have checked them.
"""

from typing import Any, TypeVar

import msgspec

from db.engine import connection
from db.errors import translated

Row = TypeVar("Row", bound=msgspec.Struct)


async def fetch(kind: type[Row], sql: str, *arguments: Any) -> list[Row]:
    """Return all rows; the columns' names must be the fields of `kind`."""
    with translated():
        async with connection() as lent:
            records = await lent.fetch(sql, *arguments)
    return [kind(**record) for record in records]


async def fetch_one(kind: type[Row], sql: str, *arguments: Any) -> Row | None:
    """Return the first row, or None."""
    with translated():
        async with connection() as lent:
            record = await lent.fetchrow(sql, *arguments)
    return None if record is None else kind(**record)


async def fetch_value(sql: str, *arguments: Any) -> Any:
    """Return the first column of the first row, or None."""
    with translated():
        async with connection() as lent:
            return await lent.fetchval(sql, *arguments)


async def fetch_values(sql: str, *arguments: Any) -> list[Any]:
    """Return the first column of all rows."""
    with translated():
        async with connection() as lent:
            return [record[0] for record in await lent.fetch(sql, *arguments)]


async def execute(sql: str, *arguments: Any) -> int:
    """Run one statement and return the number of rows it touched."""
    with translated():
        async with connection() as lent:
            status: str = await lent.execute(sql, *arguments)
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


async def execute_many(sql: str, rows: list[tuple[Any, ...]]) -> None:
    """Run one statement for each tuple of arguments in one round trip."""
    with translated():
        async with connection() as lent:
            await lent.executemany(sql, rows)


def to_json(value: Any) -> str:
    """Encode for a JSONB parameter."""
    return msgspec.json.encode(value).decode()
