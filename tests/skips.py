"""Under `CI=true` a skipped test is a failure, unless what it needs cannot be had: a GPU, an address outside."""

import os

import pytest

ALLOWED_MARKERS = ("needs_external", "needs_gpu")


def skips_are_failures() -> bool:
    return os.environ.get("CI") == "true"


def turn_into_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skipped where nothing may be skipped: {reason}"


def may_be_skipped(item: pytest.Item, report: pytest.TestReport) -> bool:
    expected_failure = hasattr(report, "wasxfail")
    return expected_failure or any(item.get_closest_marker(name) for name in ALLOWED_MARKERS)
