"""Where passages get their text: not from the index, which holds none, but from whoever keeps the documents."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from rag.scope import Scope


class ScopedPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that a scope may read now.

    `char_start` and `char_end` are code points into the text of the document's `version`, and
    `text_of_version[char_start:char_end] == text`. `page` counts from 1, None where the format has none.
    """

    passage_id: UUID
    document_id: UUID
    version: int
    course_id: UUID
    title: str
    page: int | None
    heading: str
    char_start: int
    char_end: int
    text: str
    language: str


class PassagesPort(Protocol):
    """The last word on what may be read."""

    async def __call__(self, passage_ids: Sequence[UUID], scope: Scope) -> list[ScopedPassage]:
        """Return those of the passages that are in scope and served now, in the order asked for."""
        ...
