"""Exit statuses, and which errors are sentences for the person at the terminal rather than faults of the program."""

from typing import NamedTuple

from ops.local.errors import LocalError, NotRunning
from ops.runtime.settings import SettingsError

FAILED = 1
NOT_RUNNING = 3
BAD_SETTINGS = 78  # EX_CONFIG of sysexits.h


class CommandFailed(Exception):
    """A command cannot do what was asked; the message is the sentence to show."""


class Known(NamedTuple):
    """What to print and how to exit."""

    sentence: str
    status: int


def explain(error: Exception) -> Known | None:
    """Return what to tell about an expected error, None for a fault of the program."""
    if isinstance(error, SettingsError):
        return Known(str(error), BAD_SETTINGS)
    if isinstance(error, NotRunning):
        return Known(str(error), NOT_RUNNING)
    if isinstance(error, LocalError | CommandFailed):
        return Known(str(error), FAILED)
    return None
