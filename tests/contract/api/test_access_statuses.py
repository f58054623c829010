"""Every operation of the OpenAPI document, called right by everybody: who gets what is a table that people can read.

The course is the one that `student` attends and `academic` teaches; `newcomer` has an account and nothing else. A
change that is meant goes into `statuses.txt` by hand.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.api.fresh import MESSAGE, Fresh
from tests.contract.api.seeds import ROLES
from tests.contract.api.site import Operation, Site

TABLE = Path(__file__).parent / "statuses.txt"
CALLERS = (*ROLES, "newcomer", "anonymous")
HEADER = f"{'# operation':70}" + " ".join(f"{caller:9}" for caller in CALLERS).rstrip()
HINT = "If the change is meant, write it into statuses.txt"
ENDS_A_SESSION = ("/auth/logout", "/me/sessions", "/me/sessions/{session_id}", "/me/password")
REFUSED = {"403", "404"}
WAYS_IN = {f"POST /api/v1/auth/{way}" for way in ("link", "login", "refresh", "register")} | {MESSAGE}
"""Signing in and up; and messages of other systems, which are signed."""
NEVER_DONE = {"POST /api/v1/me/password": "422", "POST /api/v1/documents/{document_id}/reingest": "409"}
"""Called with a wrong password, and for a document that is still to be read."""


@pytest.fixture(scope="module")
def fresh(site: Site) -> Iterator[Fresh]:
    made = Fresh(site)
    yield made
    made.close()


@pytest.mark.long
def test_everybody_gets_what_the_table_says(site: Site, fresh: Fresh) -> None:
    lines = [_line(site, fresh, operation) for operation in site.operations() if "/api/v1/" in operation.path]
    served = "\n".join([HEADER, *sorted(lines)]) + "\n"
    agreed = TABLE.read_text()
    changes = difflib.unified_diff(agreed.splitlines(), served.splitlines(), "agreed", "served", lineterm="", n=0)
    assert served == agreed, "\n".join([HINT, *changes])


def test_the_table_refuses_whom_it_should() -> None:
    """Nobody unknown gets anything but the ways in; every operation lets somebody do what it is for."""
    rows = {label: dict(zip(CALLERS, statuses, strict=True)) for label, statuses in _rows()}
    assert {label for label, statuses in rows.items() if statuses["anonymous"] != "401"} == WAYS_IN
    assert {label for label, statuses in rows.items() if not _is_done(statuses)} == set(NEVER_DONE)
    for label, status in NEVER_DONE.items():
        assert rows[label]["academic"] == rows[label]["admin"] == status
    of_the_course = [label for label in rows if "/documents/" in label or "{course_id}" in label]
    assert [label for label in of_the_course if rows[label]["newcomer"] not in REFUSED] == []
    assert len(of_the_course) > 15


def _is_done(statuses: dict[str, str]) -> bool:
    return any(status.startswith("2") for status in statuses.values())


def _rows() -> Iterator[tuple[str, list[str]]]:
    for line in TABLE.read_text().splitlines()[1:]:
        method, path, *statuses = line.split()
        yield f"{method} {path}", statuses


def _line(site: Site, fresh: Fresh, operation: Operation) -> str:
    statuses = " ".join(f"{_status(site, fresh, operation, caller):<9}" for caller in CALLERS)
    return f"{operation.method:6} {operation.path:63}{statuses}".rstrip()


def _status(site: Site, fresh: Fresh, operation: Operation, caller: str) -> int:
    headers = _headers(site, fresh, operation, caller)
    address = fresh.address(operation, caller, headers)
    given = fresh.request(operation)
    headers = headers | given.pop("headers", {})
    answer = httpx.request(operation.method, site.base_url + address, headers=headers, timeout=30, **given)
    return answer.status_code


def _headers(site: Site, fresh: Fresh, operation: Operation, caller: str) -> dict[str, str]:
    if caller == "anonymous":
        return {}
    ends = operation.method != "GET" and operation.path.removeprefix("/api/v1") in ENDS_A_SESSION
    if caller == "newcomer":
        token = fresh.login(fresh.leaving)["access_token"] if ends else fresh.token
        return {"Authorization": f"Bearer {token}"}
    return site.passing_headers(caller) if ends else site.headers(caller)
