"""Where uploads lie while they are received: below the data folder, not too many at once, and gone with their process."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

from backend.documents.errors import UploadsBusy
from backend.errors import RateLimited

UPLOADS_AT_ONCE = 16
UPLOADS_PER_PERSON = 4
BUSY_SECONDS = 5
PREFIX = "upload-"
STALE_SECONDS = 3600


class Spool:
    """The uploads of one process: with `LYCEUM_MAX_UPLOAD_BYTES` their number bounds the bytes.

    A file has no name in the folder, so that nothing is left of it when its process is killed. Where the file system has
    no such files it has one for a moment; `sweep` removes what a kill in that moment left.
    """

    def __init__(self, folder: Path, *, at_once: int = UPLOADS_AT_ONCE, per_person: int = UPLOADS_PER_PERSON) -> None:
        self._folder = folder
        self._at_once = at_once
        self._per_person = per_person
        self._uploads: Counter[UUID] = Counter()

    @contextmanager
    def place(self, user_id: UUID) -> Iterator[None]:
        """Hold one of the places for uploads.

        Raises:
            RateLimited: this person holds too many.
            UploadsBusy: all are taken.
        """
        if self._uploads[user_id] >= self._per_person:
            raise RateLimited("Wait until your other uploads have ended.", retry_after_seconds=BUSY_SECONDS)
        if self._uploads.total() >= self._at_once:
            raise UploadsBusy(BUSY_SECONDS)
        self._uploads[user_id] += 1
        try:
            yield
        finally:
            self._uploads[user_id] -= 1
            self._uploads = +self._uploads  # whoever has none is forgotten

    async def open(self) -> IO[bytes]:
        """Return a new file; its content is gone when it is closed."""
        return await asyncio.to_thread(self._open)

    def sweep(self) -> None:
        """Remove what killed processes left; the files of others that live are too young."""
        for path in self._folder.glob(f"{PREFIX}*"):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps too
                if path.stat().st_mtime < time.time() - STALE_SECONDS:
                    path.unlink()

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(prefix=PREFIX, dir=self._folder)


def path_of(file: IO[bytes]) -> Path:
    """Return where this process can open the file once more while it is open."""
    return Path(f"/dev/fd/{file.fileno()}")
