"""schemathesis, signed in as each role: no 5xx, nothing undocumented, and nearly every operation is reached."""

import copy
import time

import pytest

from tests.contract.api.fuzzing import Fuzzer, Report, load
from tests.contract.api.seeds import ROLES
from tests.contract.api.site import Site
from tests.contract.api.test_access import table

EXAMPLES = 10
AT_THE_DOOR = 2
REACHED = 0.9


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_operation_is_as_described(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    allowed = {f"{method} {path}": (needs, roles) for method, path, needs, roles in table()}
    operations = load(site)
    started = time.monotonic()
    for role in ROLES:
        fuzzer = Fuzzer(site, role, report)
        for operation in operations:
            needs, roles = allowed[operation.label]
            if needs != "public" or role == "admin":
                fuzzer.run(operation, EXAMPLES if roles[role] else AT_THE_DOOR)
    labels = [operation.label for operation in operations]
    missed = [label for label in labels if not report.reached(label)]
    with capsys.disabled():
        print(f"\nschemathesis: {report.requests} requests in {time.monotonic() - started:.0f} s")
        print(f"{len(labels) - len(missed)} of {len(labels)} operations reached a 2xx; not reached:")
        for label in missed:
            print(f"  {label}: {report.statuses.get(label)}")
    assert not report.failures, "\n\n".join(report.failures)
    assert 1 - len(missed) / len(labels) >= REACHED


@pytest.mark.parametrize(
    ("label", "status"),
    [("GET /api/v1/faculties/{faculty_id}", "404"), ("POST /api/v1/courses", "400"), ("GET /api/v1/me", "200")],
)
def test_what_is_not_described_is_seen(site: Site, label: str, status: str) -> None:
    document = copy.deepcopy(site.document)
    method, path = label.split()
    del document["paths"][path][method.lower()]["responses"][status]
    report = Report()
    (operation,) = [one for one in load(site, document) if one.label == label]
    Fuzzer(site, "admin", report).run(operation, EXAMPLES)
    assert len(report.failures) == 1
    assert f"Received: {status}" in report.failures[0]


def test_an_answer_of_another_form_is_seen(site: Site) -> None:
    document = copy.deepcopy(site.document)
    document["components"]["schemas"]["Profile"]["properties"]["email"] = {"type": "integer"}
    report = Report()
    (operation,) = [one for one in load(site, document) if one.label == "GET /api/v1/me"]
    Fuzzer(site, "student", report).run(operation, EXAMPLES)
    assert len(report.failures) == 1
    assert "violates schema" in report.failures[0]
