import asyncio

import pytest

from ops.runtime.context import accept_request_id, bind_request, new_request_id, request_id


def test_bound_identifier_ends_with_the_block() -> None:
    with bind_request("outer-identifier"):
        with bind_request("inner-identifier"):
            assert request_id.get() == "inner-identifier"
        assert request_id.get() == "outer-identifier"
    assert request_id.get() == ""


async def test_child_task_inherits_the_identifier() -> None:
    async def read() -> str:
        return request_id.get()

    with bind_request("parent-identifier"):
        child = asyncio.create_task(read())
    assert await child == "parent-identifier"


def test_new_identifiers_differ_and_are_acceptable() -> None:
    made = {new_request_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(accept_request_id(identifier) == identifier for identifier in made)


@pytest.mark.parametrize(
    "text", ["", "short", "a" * 65, "has space 123", "new\nline-1234", "ümlaut-12345", "-leading-dash"]
)
def test_unsafe_identifier_is_replaced(text: str) -> None:
    assert accept_request_id(text) != text
