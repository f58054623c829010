from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import ValidationFailed
from backend.kit.pagination import decode_cursor, encode_cursor, page_of


class ByTime(msgspec.Struct, frozen=True):
    moment: datetime
    id: UUID
    title: str
    count: int


class ById(msgspec.Struct, frozen=True):
    id: UUID


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
keys = st.builds(
    ByTime,
    moment=st.integers(0, 13_000_000_000_000_000).map(lambda micros: EPOCH + timedelta(microseconds=micros)),
    id=st.uuids(),
    title=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=50),
    count=st.integers(-(2**63), 2**63 - 1),
)


@given(keys)
def test_cursor_returns_the_key(key: ByTime) -> None:
    assert decode_cursor(encode_cursor(key), ByTime) == key


@given(st.text(max_size=200))
def test_invented_cursor_is_refused(cursor: str) -> None:
    if not cursor:
        assert decode_cursor(cursor, ById) is None
        return
    with pytest.raises(ValidationFailed) as caught:
        decode_cursor(cursor, ById)
    assert caught.value.errors[0].pointer == "/cursor"


@given(keys, st.integers(0, 500), st.characters(codec="ascii"))
def test_altered_cursor_is_refused_or_is_another_key(key: ByTime, position: int, letter: str) -> None:
    cursor = encode_cursor(key)
    position %= len(cursor)
    altered = cursor[:position] + letter + cursor[position + 1 :]
    try:
        decoded = decode_cursor(altered, ByTime)
    except ValidationFailed:
        return
    assert decoded is not None
    assert encode_cursor(decoded) == altered


def test_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        decode_cursor(encode_cursor(ById(UUID(int=1))), ByTime)


@pytest.mark.parametrize("title", ["a\x00b"])
def test_cursor_with_nul_is_refused(title: str) -> None:
    with pytest.raises(ValidationFailed):
        decode_cursor(encode_cursor(ByTime(datetime.now(UTC), UUID(int=1), title, 1)), ByTime)


def test_cursor_with_a_number_no_column_holds_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        decode_cursor(encode_cursor(ByTime(datetime.now(UTC), UUID(int=1), "x", 2**63)), ByTime)


@given(st.lists(st.uuids(), unique=True, max_size=60), st.integers(1, 10))
def test_pages_hold_every_item_once_in_order(ids: list[UUID], limit: int) -> None:
    ids.sort()
    seen: list[UUID] = []
    cursor: str | None = None
    for _ in range(100):
        after = decode_cursor(cursor, ById)
        rows = [item for item in ids if after is None or item > after.id][: limit + 1]
        page = page_of(rows, limit, ById)
        assert len(page.items) <= limit
        seen.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids
