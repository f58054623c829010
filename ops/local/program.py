"""What the supervisor runs: a command, when it may start, how it shows that it is ready, how it is stopped."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.local.account import Account


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process that runs until it is stopped. `is_ready` gets its pid; None: it says so itself (`ops.runtime.ready`).

    One that `keeps_data` gets its whole `stop_seconds` even when the person asks twice.
    """

    name: str
    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str]
    folder: Path = Path("/")
    port: int = 0
    after: tuple[str, ...] = ()
    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 20.0
    start_seconds: float = 120.0
    keeps_data: bool = False
    prepare: Callable[[], None] = field(default=nothing)
    is_ready: Callable[[int], bool] | None = None
    complete: Callable[[], None] = field(default=nothing)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Work that is done once between two programs; `run` blocks and raises `LocalError` when it fails."""

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()
