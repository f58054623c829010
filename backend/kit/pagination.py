"""Cursor paging: `?cursor=&limit=` → `{items, next_cursor}`. A cursor is the sort key of the last item that was seen."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from backend.errors import InputError, ValidationFailed

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
MAX_CURSOR_CHARACTERS = 512

T = TypeVar("T")
Key = TypeVar("Key", bound=msgspec.Struct)


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page; `next_cursor` is null on the last one."""

    items: Sequence[T]
    next_cursor: str | None = None


def encode_cursor(key: msgspec.Struct) -> str:
    """Return the opaque form of a sort key: a frozen struct of ids, times, numbers or texts."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(list(msgspec.structs.astuple(key)))).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, kind: type[Key]) -> Key | None:
    """Return the sort key in `cursor`, or None without one. A cursor opens nothing: queries filter by rights, not by it.

    Raises:
        ValidationFailed: it is not a cursor of this list.
    """
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values = msgspec.msgpack.decode(raw, type=list)
        key = msgspec.convert(dict(zip(kind.__struct_fields__, values, strict=True)), kind)
    except (binascii.Error, ValueError, UnicodeError, msgspec.MsgspecError, RecursionError) as error:
        raise _invalid() from error
    if encode_cursor(key) != cursor or not all(_storable(value) for value in values):
        raise _invalid()
    return key


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], msgspec.Struct]) -> Page[T]:
    """Build a page from up to `limit + 1` rows: the surplus row only tells that there is more."""
    if len(rows) <= limit:
        return Page(items=list(rows))
    return Page(items=list(rows[:limit]), next_cursor=encode_cursor(key(rows[limit - 1])))


def _storable(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" not in value
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _invalid() -> ValidationFailed:
    wrong = InputError(pointer="/cursor", detail="Take the next_cursor of the page before.", location="query")
    return ValidationFailed("The cursor does not belong to this list.", errors=[wrong])
