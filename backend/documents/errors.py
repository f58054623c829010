"""What goes wrong with documents, towards people."""

from uuid import UUID

from backend.errors import Conflict, LyceumError, NotFound, PayloadTooLarge


class DocumentNotFound(NotFound):
    """There is no such document, version or page, or the person may not read it."""

    type = "document-not-found"
    title = "Document not found"

    def __init__(self, detail: str = "There is no such document.") -> None:
        super().__init__(detail)


class FileTooLarge(PayloadTooLarge):
    """The file is larger than this installation takes (LYCEUM_MAX_UPLOAD_BYTES)."""

    type = "file-too-large"
    title = "File too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Files may have up to {limit_bytes // (1024 * 1024)} MiB.")


class UploadsBusy(LyceumError):
    """As many files are being received as this process takes at once; nothing was stored, send the file again."""

    type = "uploads-busy"
    status = 503
    title = "Too many uploads at once"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Many files are being uploaded now. Try again.", retry_after_seconds=retry_after_seconds)


class SameFileElsewhere(Conflict):
    """The course has the same file as another document; `detail` names it."""

    type = "same-file-elsewhere"
    title = "The course has this file already"

    def __init__(self, document_id: UUID) -> None:
        super().__init__(f"The same file is document {document_id} of this course.")


class RemovalRunning(Conflict):
    """Jobs of the document have not ended since it was deleted; try again in a moment."""

    type = "removal-running"
    title = "Removal is running"

    def __init__(self) -> None:
        super().__init__("The document is still being removed. Try again in a moment.", retry_after_seconds=5)


class IngestionRunning(Conflict):
    """The document is being read at the moment; wait until it is ready or failed."""

    type = "ingestion-running"
    title = "Ingestion is running"
