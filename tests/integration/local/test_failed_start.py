"""What cannot start says why in one sentence."""

import os
from pathlib import Path

import pytest

from ops.local.data_folder import DataFolder
from ops.local.errors import LocalError
from ops.local.postgres import PostgresFailed, PostgresServer
from ops.local.program import Step
from ops.local.supervisor import Supervisor

NOBODY_ID = 3_999_999


def supervisor(path: Path, step: Step) -> Supervisor:
    folder = DataFolder(path)
    folder.prepare()
    return Supervisor(folder, [], [step], port=0, on_change=lambda _: None, on_ready=lambda: None)


async def test_the_first_thing_that_cannot_be_done_is_the_error(tmp_path: Path) -> None:
    def fail() -> None:
        raise PostgresFailed("the disk is full")

    with pytest.raises(LocalError, match="the disk is full"):
        await supervisor(tmp_path / "data", Step(name="initdb", run=fail)).run()


async def test_a_fault_of_the_program_keeps_its_trace(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        await supervisor(tmp_path / "data", Step(name="initdb", run=fail)).run()
    assert isinstance(raised.value.exceptions[0], ZeroDivisionError)


def test_a_user_without_a_name_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = PostgresServer(tmp_path, superuser_password="s", owner_password="o", app_password="a")
    server.account = None
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY_ID)
    with pytest.raises(PostgresFailed, match=f"{NOBODY_ID} a line in /etc/passwd"):
        server.initialise()
