"""Runs the `lyceum` command of this very installation in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.local.addresses import environment_of
from ops.local.errors import LocalError
from ops.local.processes import launch_command
from ops.runtime.settings import Settings, variable_names

PACKAGES_FOLDER = Path(__file__).parents[2]
STEP_SECONDS = 600


def lyceum_command(*arguments: str) -> list[str]:
    """Return a command line that works from `PACKAGES_FOLDER`, installed or not."""
    return [sys.executable, "-m", "ops.cli.main", *arguments]


def lyceum_environment(settings: Settings) -> dict[str, str]:
    """Return our environment with exactly `settings` in it."""
    names = variable_names()
    ours = {*names, *(f"{name}_FILE" for name in names)}
    return {name: value for name, value in os.environ.items() if name not in ours} | environment_of(settings)


def run_lyceum(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        LocalError: it failed; the message is its own.
    """
    launch = launch_command(lyceum_command(*arguments), death_signal=signal.SIGTERM, account=None)
    done = subprocess.run(  # noqa: S603
        launch,
        cwd=PACKAGES_FOLDER,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=STEP_SECONDS,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise LocalError(f"`lyceum {' '.join(arguments)}` failed: {last.removeprefix('Error: ')}")
    return done.stdout
