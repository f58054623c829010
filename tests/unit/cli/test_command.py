"""The command itself: what it imports, what it shows, how it exits."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ops.cli.errors import BAD_SETTINGS, FAILED, NOT_RUNNING, CommandFailed, explain
from ops.cli.main import COMMANDS, cli
from ops.cli.settings import MASK
from ops.local.errors import NotRunning, PortTaken
from ops.runtime.settings import SECRETS, SettingsError, variable_names

ROOT = Path(__file__).parents[3]
HEAVY = {"litestar", "piccolo", "asyncpg", "dramatiq", "torch", "qdrant_client", "httpx", "redis", "numpy"}


def run_lyceum(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli.main", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("arguments", [["settings"], ["status"], ["down"], ["--help"]])
def test_light_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from click.testing import CliRunner; from ops.cli.main import cli;"
        f"CliRunner().invoke(cli, {arguments!r}); print(*{HEAVY!r} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LYCEUM_DATA_DIR": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_the_supervisor_imports_nothing_heavy() -> None:
    script = f"import sys, ops.cli.up; print(*{HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_imported_and_has_the_help_that_is_listed(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.help


def test_settings_lists_every_variable_with_its_source_and_masks_secrets(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("c2VjcmV0\n")
    done = run_lyceum(
        "settings", LYCEUM_PORT="8123", LYCEUM_SIGNING_KEY_FILE=str(key_file), DATABASE_URL="postgresql://u:hidden@h/d"
    )
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[1:]}
    assert list(rows) == variable_names()
    assert rows["LYCEUM_PORT"] == ["8123", "environment"]
    assert rows["LYCEUM_SIGNING_KEY"] == [MASK, "file"]
    assert rows["DATABASE_URL"] == [MASK, "environment"]
    assert rows["LYCEUM_ENV"] == ["development", "default"]
    assert "hidden" not in done.stdout
    assert "c2VjcmV0" not in done.stdout
    assert set(SECRETS) <= set(rows)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SettingsError("x"), BAD_SETTINGS),
        (NotRunning("x"), NOT_RUNNING),
        (PortTaken("x"), FAILED),
        (CommandFailed("x"), FAILED),
    ],
)
def test_expected_errors_are_sentences_with_a_status(error: Exception, status: int) -> None:
    known = explain(error)
    assert known is not None
    assert (known.sentence, known.status) == ("x", status)


def test_a_fault_of_the_program_is_not_hidden() -> None:
    assert explain(KeyError("x")) is None


def test_a_bad_setting_is_one_sentence_that_names_it() -> None:
    done = run_lyceum("status", LYCEUM_PORT="70000")
    assert done.returncode == BAD_SETTINGS
    assert done.stderr.count("\n") == 1
    assert "LYCEUM_PORT" in done.stderr


def test_status_and_down_without_anything_running(tmp_path: Path) -> None:
    folder = str(tmp_path / "none")
    status, down = run_lyceum("status", LYCEUM_DATA_DIR=folder), run_lyceum("down", LYCEUM_DATA_DIR=folder)
    assert (status.returncode, down.returncode) == (NOT_RUNNING, 0)
    assert folder in status.stderr
    assert folder in down.stdout
    assert not (tmp_path / "none").exists()


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["fly"]).exit_code == 2


def test_an_unknown_queue_is_wrong_usage() -> None:
    done = run_lyceum("run", "worker", "--queues", "ingest,typo")
    assert done.returncode == 2
    assert "typo" in done.stderr
