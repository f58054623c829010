"""The events about documents."""

from typing import Final
from uuid import UUID

import msgspec

from db.events import EventKind


class DocumentReady(msgspec.Struct, frozen=True, kw_only=True):
    """A version that readers find from now on."""

    document_id: UUID
    course_id: UUID
    version: int
    passages: int


class DocumentFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A version that could not be read; `failure` is one of the failures of documents."""

    document_id: UUID
    version: int
    failure: str


class DocumentDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A document that nothing shows or cites any more."""

    document_id: UUID
    course_id: UUID


DOCUMENT_READY: Final = EventKind(name="document.ready", version=1, payload=DocumentReady)
DOCUMENT_FAILED: Final = EventKind(name="document.failed", version=1, payload=DocumentFailed)
DOCUMENT_DELETED: Final = EventKind(name="document.deleted", version=1, payload=DocumentDeleted)
