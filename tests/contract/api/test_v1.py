"""Version 1 changes only where somebody means it: `python -m tests.contract.api.snapshot` accepts a change."""

import difflib
import json

from tests.contract.api.site import Site
from tests.contract.api.snapshot import OPENAPI, openapi

MIN_OPERATIONS = 40
HINT = "If the change is meant: python -m tests.contract.api.snapshot"


def test_the_api_is_what_was_agreed_on(site: Site) -> None:
    agreed, served = OPENAPI.read_text(), openapi(site.document)
    changes = difflib.unified_diff(agreed.splitlines(), served.splitlines(), "agreed", "served", lineterm="", n=4)
    assert agreed == served, "\n".join([HINT, *list(changes)[:200]])


def test_the_snapshot_lists_the_whole_api() -> None:
    paths = json.loads(OPENAPI.read_text())["paths"]
    operations = [(method, path) for path, item in paths.items() for method in item if path.startswith("/api/v1/")]
    assert len(operations) >= MIN_OPERATIONS


def test_every_operation_is_described(site: Site) -> None:
    operations = list(site.operations())
    ids = [operation.definition["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation.definition.get("summary"), operation.label
        assert operation.definition.get("description"), operation.label
        assert any(status.startswith("2") for status in operation.definition["responses"]), operation.label
