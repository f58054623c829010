"""What an answer is made of."""

from typing import Any, Literal
from uuid import UUID

import msgspec

Verdict = Literal["answered", "partly", "not_in_material", "refused"]

MAX_SENTENCES = 3
MAX_WORDS = 80
MAX_QUOTE_SENTENCES = 2


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """What a sentence rests on: `text_of_version[char_start:char_end] == quote`, at most two sentences."""

    marker: int
    passage_id: UUID
    document_id: UUID
    version: int
    title: str
    page: int | None
    quote: str
    char_start: int
    char_end: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A finished sentence as it leaves: its markers stand in the text as `[1]`; `citations` are those it is first to carry."""

    text: str
    markers: tuple[int, ...] = ()
    citations: tuple[Citation, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer ended. `broken` names the gateway's error when a generated answer broke off after its first part.

    `record` holds what is needed to make the answer again: how, model, prompt version, passages, seed.
    """

    verdict: Verdict
    degraded: bool
    broken: str | None = None
    record: dict[str, Any] = msgspec.field(default_factory=dict)
