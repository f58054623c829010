"""What search takes and gives."""

from typing import Annotated
from uuid import UUID

import msgspec

from ops.runtime.ids import CourseId

MAX_QUERY_CHARACTERS = 1000
MAX_RESULTS = 50

QueryText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUERY_CHARACTERS, pattern=r"\S")]
ResultLimit = Annotated[int, msgspec.Meta(ge=1, le=MAX_RESULTS)]


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for; without `course_id` in all courses the person may search."""

    query: QueryText
    course_id: CourseId | None = None
    limit: ResultLimit = 10


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One passage. `text` is the document version's text from `char_start` to `char_end`, in code points; `page` counts
    from 1, null where the format has none; `score` compares only with scores of the same search.
    """

    document_id: UUID
    version: int
    title: str
    page: int | None
    heading: str
    char_start: int
    char_end: int
    text: str
    score: float


class SearchResults(msgspec.Struct, frozen=True, kw_only=True):
    """Passages, best first, and how long the search took."""

    results: list[SearchResult]
    took_ms: float
