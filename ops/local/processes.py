"""Processes known by pid and start time, so that a reused pid is never taken for one of ours."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec
import psutil

from ops.local.account import Account

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.02


class Identity(msgspec.Struct, frozen=True):
    """One process for as long as it lives: `started` never repeats for a pid, reboots included."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """Return who `pid` is now, or None when no such process runs (a zombie has ended)."""
    try:
        if sys.platform != "linux":
            return Identity(pid, repr(psutil.Process(pid).create_time()))
        # Field 22 of proc(5) stat, ticks since boot; counted from behind the name, which may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, psutil.NoSuchProcess):
        return None
    return None if fields[0] in "ZX" else Identity(pid, f"{boot}:{fields[19]}")


def is_alive(identity: Identity) -> bool:
    """Tell whether that very process still runs."""
    return identify(identity.pid) == identity


def stop(identity: Identity, stop_signal: int, timeout_seconds: float) -> None:
    """Signal that very process, wait for its end, kill it when the time is over."""
    stop_all({identity: stop_signal}, timeout_seconds)


def stop_all(signals: Mapping[Identity, int], timeout_seconds: float) -> None:
    """Signal those very processes, wait for the end of all, kill those that are left when the time is over."""
    for identity, number in signals.items():
        send(identity, number)
    deadline = time.monotonic() + timeout_seconds
    while left := [identity for identity in signals if is_alive(identity)]:
        if time.monotonic() > deadline:
            deadline = float("inf")
            for identity in left:
                send(identity, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def send(identity: Identity, number: int, *, group: bool = False) -> None:
    """Send a signal to that very process if it still runs; `group`: to its whole session, which it leads."""
    if is_alive(identity):
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(identity.pid, number)


def launch_command(command: Sequence[str], *, death_signal: int, account: Account | None) -> list[str]:
    """Return the command line that runs `command` as `account` and sends it `death_signal` when we end."""
    uid, gid = account or ("-", "-")
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(int(death_signal)), str(os.getpid()), str(uid), str(gid)]
    return [*launcher, "--", *command]


def spawn(
    command: Sequence[str],
    *,
    log: IO[bytes],
    death_signal: int = signal.SIGTERM,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own: Ctrl-C reaches the supervisor alone.

    To be called from the main thread: the parent whose death is watched is the thread that forked.
    """
    return subprocess.Popen(  # noqa: S603
        launch_command(command, death_signal=death_signal, account=account),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=dict(environment) if environment is not None else None,
        start_new_session=True,
    )
