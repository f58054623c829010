"""Parameters that many routes take. Litestar heeds limits only in its own markers: `msgspec.Meta` on a parameter is lost."""

from typing import Annotated

from litestar.params import PathParameter, QueryParameter

from backend.kit.pagination import MAX_CURSOR_CHARACTERS, MAX_LIMIT

MAX_NUMBER = 2**31 - 1

PageLimit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="how many items at most")]
PageCursor = Annotated[
    str | None,
    QueryParameter(max_length=MAX_CURSOR_CHARACTERS, description="the `next_cursor` of the page before"),
]
QueryText = Annotated[str | None, QueryParameter(max_length=200)]
QueryNumber = Annotated[int, QueryParameter(ge=0, le=MAX_NUMBER)]
PathNumber = Annotated[int, PathParameter(ge=1, le=MAX_NUMBER)]
