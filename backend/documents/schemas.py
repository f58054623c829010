"""Documents as the API takes and gives them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from ops.runtime.ids import CourseId, DocumentId, JobId
from rag.parse import FailureType

State = Literal["queued", "parsing", "chunking", "embedding", "indexing", "ready", "failed"]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=300, description="what readers see")]


class UploadForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields beside the file."""

    course_id: CourseId
    title: Title | None = None


class VersionForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new version has no fields beside the file."""


class DocumentPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be changed."""

    title: Title


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A document that will be read, or the one that the course has already."""

    id: DocumentId
    job_id: JobId | None
    state: State
    version: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a version cannot be read, in a sentence for its lecturer."""

    type: FailureType
    detail: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the present stage is; `total` is 0 where it cannot be known."""

    stage: State
    done: int
    total: int


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded file of a document. `passages_without_dense` are found by their words alone."""

    version: int
    state: State
    failure: Failure | None
    progress: Progress
    file_name: str
    media_type: str
    size_bytes: int
    pages: int | None
    characters: int | None
    passages: int | None
    passages_without_dense: int | None
    languages: list[str]
    job_id: JobId | None
    created_at: datetime
    ready_at: datetime | None


class DocumentView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document: state, failure and progress are those of its latest version; readers see `serving_version`.

    Only a deleted one has a purge date.
    """

    id: DocumentId
    course_id: CourseId
    title: str
    state: State
    failure: Failure | None
    progress: Progress
    serving_version: int | None
    latest_version: int
    media_type: str
    file_name: str
    size_bytes: int
    languages: list[str]
    pages: int | None
    passages: int | None
    passages_without_dense: int | None
    versions: list[VersionView]
    created_at: datetime
    updated_at: datetime
    purge_after: datetime | None = None


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a version; `text` is the version's text from `char_start` to `char_end`."""

    id: UUID
    ordinal: int
    version: int
    page: int | None
    heading: str
    char_start: int
    char_end: int
    text: str
    language: str
    has_dense: bool


class VersionText(msgspec.Struct, frozen=True, kw_only=True):
    """The text that offsets count in, by Unicode code points."""

    version: int
    text: str


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle on a page in fractions of its width and height, from the top left corner."""

    left: float
    top: float
    right: float
    bottom: float


class PageBoxes(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stretch of text stands on a page."""

    version: int
    page: int
    boxes: list[Box]
