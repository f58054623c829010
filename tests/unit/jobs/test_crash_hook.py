"""The test's way to kill a worker must not exist in production."""

import os
import signal

import pytest

from actors.crash import VARIABLE, crash_hook


def test_production_ignores_the_variable() -> None:
    assert crash_hook("production", {VARIABLE: "parsing:begin:1"}) is None
    assert crash_hook("development", {}) is None


def test_it_kills_at_the_border_asked_for_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    kills: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: kills.append((pid, number)))
    hook = crash_hook("staging", {VARIABLE: "embedding:end:2"})
    assert hook is not None
    for stage, border in (("embedding", "begin"), ("embedding", "end"), ("indexing", "end")):
        hook(stage, border)  # type: ignore[arg-type]
    assert kills == []
    hook("embedding", "end")
    assert kills == [(os.getpid(), signal.SIGKILL)]
