"""One owner of the data folder: a lock that the system lets go of when its holder dies, however it dies."""

import fcntl
import time
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.05


class FolderTakenError(Exception):
    """Another server owns the folder."""


class FolderLock:
    """Holds the folder from construction to `release`.

    Raises:
        FolderTakenError: it stays taken for `patience_seconds`, which outlasts an owner that is just ending.
    """

    def __init__(self, folder: Path, patience_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file: IO[bytes] = (folder / "owner.lock").open("ab")
        deadline = time.monotonic() + patience_seconds
        while not self._take():
            if time.monotonic() > deadline:
                self._file.close()
                raise FolderTakenError(f"another vector server is using {folder}; stop it first")
            time.sleep(_POLL_SECONDS)

    def release(self) -> None:
        """Let the next owner in."""
        self._file.close()

    def _take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
