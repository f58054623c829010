"""Tells a supervisor that this process is ready: a newline on the descriptor it passed (s6's notification protocol)."""

import os

READY_VARIABLE = "LYCEUM_READY_FD"


def announce_ready() -> None:
    """Say once that this process does its work; nothing happens without a supervisor that asked."""
    descriptor = os.environ.pop(READY_VARIABLE, "")
    if descriptor:
        with os.fdopen(int(descriptor), "wb") as pipe:
            pipe.write(b"\n")
