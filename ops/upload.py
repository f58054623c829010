"""A file of this machine as an upload, so that commands hand the services what a browser would."""

import hashlib
from pathlib import Path

from backend.documents.errors import FileTooLarge
from backend.documents.file_name import safe_file_name
from backend.documents.upload import UploadedFile
from rag.parse import HEAD_BYTES

PIECE_BYTES = 1024 * 1024


def uploaded_file(path: Path, max_bytes: int) -> UploadedFile:
    """Hash the file at `path`, which stays where it is.

    Raises:
        FileTooLarge: it has more than `max_bytes`.
        OSError: it cannot be read.
    """
    if path.stat().st_size > max_bytes:
        raise FileTooLarge(max_bytes)
    digest, size, head = hashlib.sha256(), 0, b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            head = head or piece[:HEAD_BYTES]
            digest.update(piece)
            size += len(piece)
    return UploadedFile(path=path, name=safe_file_name(path.name), sha256=digest.digest(), size_bytes=size, head=head)
