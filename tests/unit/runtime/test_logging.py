import subprocess
import sys
from typing import Any

import msgspec
import pytest

from ops.runtime.logging import mask, redact

PROGRAM = """
import logging
from ops.runtime.context import bind_request
from ops.runtime.logging import configure_logging, get_logger
configure_logging("api", "info")
log = get_logger("some.module")
with bind_request("request-1234"):
    log.info("person_signed_in", password="hunter2", attempts=2, who="Ada <ada@school.example>")
    logging.getLogger("uvicorn.error").warning("stdlib says %s", "hello")
log.debug("never_seen")
try:
    raise ValueError("bad token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl")
except ValueError:
    log.exception("act_failed")
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert done.stdout == b""
    return [msgspec.json.decode(line) for line in done.stderr.splitlines()]


def test_each_line_is_one_object_with_its_context(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines] == ["person_signed_in", "stdlib says hello", "act_failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert [line.get("request_id") for line in lines] == ["request-1234", "request-1234", None]
    assert {line["service"] for line in lines} == {"api"}
    assert [line["component"] for line in lines] == ["some.module", "uvicorn.error", "some.module"]


def test_secrets_never_reach_the_line(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["password"] == "[withheld]"
    assert lines[0]["attempts"] == 2
    assert lines[0]["who"] == "Ada <[email]>"
    assert "eyJ" not in lines[2]["exception"]
    assert "ValueError: bad token [token]" in lines[2]["exception"]


def test_nested_fields_are_withheld_too() -> None:
    event = redact(None, "info", {"event": "x", "args": {"query": "what is life", "n": 1}, "people": ["a@b.example"]})
    assert event == {"event": "x", "args": {"query": "[withheld]", "n": 1}, "people": ["[email]"]}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:pw@host:1/0", "redis://[credentials]@host:1/0"),
        ("postgresql://lyceum:p%40ss@127.0.0.1/db", "postgresql://[credentials]@127.0.0.1/db"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [token]"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_credentials_inside_text_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_long_text_is_cut() -> None:
    assert len(mask("x" * 100_000)) == 8193
