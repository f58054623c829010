"""`lyceum` commands, each in a process of its own that is forked from one with the imports already behind it."""

import base64
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.cli.main import main
from tests.servers import Database

PRELOADED = ["ops.cli.jobs", "ops.cli.people"]
"""What takes a second to import and seconds when twenty commands follow each other."""
TIMEOUT_SECONDS = 60


def environment_for(database: Database, valkey_url: str, broker_url: str, folder: Path) -> dict[str, str]:
    """What a command is told of servers that run, and keys."""
    key = base64.b64encode(bytes(32)).decode()
    return {
        "PATH": os.environ["PATH"],
        "LYCEUM_DATA_DIR": str(folder / "data"),
        "DATABASE_URL": database.url,
        "DATABASE_DIRECT_URL": database.owner_url,
        "REDIS_URL": valkey_url,
        "BROKER_URL": broker_url,
        "OBJECT_STORE_URL": "memory://",
        "LYCEUM_SIGNING_KEY": key,
        "LYCEUM_MASTER_KEY": key,
        "LYCEUM_SERVICE_KEY": key,
    }


def run_command(
    arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Run `lyceum ARGUMENTS` with nothing but `environment`, and keep what it says in files of `folder`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    said, complained = folder / "stdout", folder / "stderr"
    process = context.Process(target=_command, args=(arguments, dict(environment), said, complained))
    process.start()
    process.join(TIMEOUT_SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"lyceum {' '.join(arguments)}")
    return subprocess.CompletedProcess(arguments, process.exitcode, said.read_text(), complained.read_text())


def _command(arguments: tuple[str, ...], environment: dict[str, str], said: Path, complained: Path) -> None:
    for descriptor, path in ((1, said), (2, complained)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["lyceum", *arguments]
    main()
