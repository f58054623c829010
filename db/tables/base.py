"""Columns every table shares."""

from typing import Any

from piccolo.columns import Timestamptz
from piccolo.columns.base import OnDelete
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.columns.column_types import ForeignKey
from piccolo.columns.defaults.timestamptz import TimestamptzNow
from piccolo.table import Table


def primary_key() -> UUIDColumn:
    """Return an id column without default: ids are made by the program (`ops.runtime.ids.new_id`)."""
    return UUIDColumn(primary_key=True, default=None)


def reference(
    table: type[Table], *, null: bool = False, index: bool = True, on_delete: OnDelete = OnDelete.restrict
) -> Any:
    """Return a foreign key; nothing is deleted by cascade unless a table says so."""
    return ForeignKey(references=table, null=null, default=None, index=index, on_delete=on_delete)


def created() -> Timestamptz:
    """Return a column set when the row is made."""
    return Timestamptz(default=TimestamptzNow())


def moment() -> Timestamptz:
    """Return a column for a time that may not have come yet."""
    return Timestamptz(null=True, default=None)
