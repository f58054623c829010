"""Alert rules and dashboards: what they say is tested by Prometheus's own tool, and what they ask for is exported."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT

ALERTS = ROOT / "ops" / "alerts"
DASHBOARDS = sorted((ROOT / "ops" / "dashboards").glob("*.json"))
RUNBOOK = ROOT / "ops" / "runbooks" / "alerts.md"
PROCESSES = (
    "backend.app",
    "actors.main",
    "actors.clock",
    "inference_gateway.app",
    "inference_gateway.engines.generation.engine",
)
EXPORTED = """
import importlib, sys
from ops.runtime.telemetry import REGISTRY
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({family.name + ("_total" if family.type == "counter" else "") for family in REGISTRY.collect()}))
"""
SUFFIXES = ("_bucket", "_sum", "_count")


def promtool() -> str:
    found = shutil.which("promtool") or shutil.which("promtool", path=ROOT / "build" / "tools")
    return found or pytest.skip("there is no promtool")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ALERTS / "lyceum.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """Names of all metrics that our processes know as soon as their modules are loaded."""
    done = subprocess.run(
        [sys.executable, "-c", EXPORTED, *PROCESSES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def asked_for(expression: str) -> set[str]:
    names = set(re.findall(r"\b(?:lyceum|process)_\w+", expression))
    return {next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name) for name in names}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "lyceum.rules.yml"),
        ("test", "rules", "lyceum.rules.test.yml"),
        ("check", "config", "prometheus.example.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_s_own_tool_is_content(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([promtool(), *arguments], cwd=ALERTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_and_explained() -> None:
    cases = yaml.safe_load((ALERTS / "lyceum.rules.test.yml").read_text())["tests"]
    tested = {check["alertname"] for case in cases for check in case["alert_rule_test"] if check["exp_alerts"]}
    assert tested == {rule["alert"] for rule in rules()}
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)}
    for rule in rules():
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / path == RUNBOOK
        assert anchor in headings, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.long
def test_alerts_ask_for_what_is_exported(exported: set[str]) -> None:
    for rule in rules():
        assert asked_for(rule["expr"]) <= exported, rule["alert"]


@pytest.mark.long
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_ask_for_what_is_exported(path: Path, exported: set[str]) -> None:
    panels = json.loads(path.read_text())["panels"]
    assert panels
    for panel in panels:
        for target in panel["targets"]:
            assert (names := asked_for(target["expr"])), panel["title"]
            assert names <= exported, panel["title"]


def test_who_is_told_of_alerts_that_exist() -> None:
    routing = yaml.safe_load((ALERTS / "alertmanager.example.yml").read_text())
    names = set(re.findall(r'alertname = "(\w+)"', json.dumps(routing["inhibit_rules"]).replace('\\"', '"')))
    assert names <= {rule["alert"] for rule in rules()}
    receivers = {receiver["name"] for receiver in routing["receivers"]}
    assert {routing["route"]["receiver"], *(route["receiver"] for route in routing["route"]["routes"])} == receivers
