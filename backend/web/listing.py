"""Lists that a page needs whole, read in the pages in which services give them."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from backend.kit.pagination import MAX_LIMIT


class HasId(Protocol):
    """A row of a list in the order of ids."""

    @property
    def id(self) -> Any:
        """Where the next page goes on."""
        ...


Row = TypeVar("Row", bound=HasId)


async def whole(fetch: Callable[[Any, int], Awaitable[list[Row]]]) -> list[Row]:
    """Return all rows of `fetch(after_id, limit)`: for choices of which each must be there to be chosen."""
    rows: list[Row] = []
    while True:
        page = await fetch(rows[-1].id if rows else None, MAX_LIMIT)
        rows += page
        if len(page) < MAX_LIMIT:
            return rows
