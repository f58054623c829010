"""Whole answers for a day, shared by those who may read the very same documents.

The name carries the scope with its document-set versions, so that a deletion or a new document makes every older entry
unreachable; what an entry cites is checked against Postgres before it is given again. An answer that leaned on the
question before it is personal and never comes here.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from backend.documents.passages import passages_in_scope
from backend.kit.cache import Cache
from rag.answer import PROMPT_VERSION, Part, Verdict
from rag.scope import Scope

CACHE_SECONDS = 24 * 3600


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that can be given again."""

    parts: Sequence[Part]
    verdict: Verdict
    degraded: bool
    language: str
    record: dict[str, Any]


class AnswerCache:
    """Finds and keeps answers by question, scope and models."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def find(self, question: str, scope: Scope, models: str) -> CachedAnswer | None:
        """Return the answer if everything it cites may still be read in `scope`."""
        found = await self._cache.get(_name(question, scope, models), CachedAnswer)
        if found is None:
            return None
        cited = {citation.passage_id for part in found.parts for citation in part.citations}
        readable = {passage.passage_id for passage in await passages_in_scope(list(cited), scope)}
        return found if cited <= readable else None

    async def keep(self, question: str, scope: Scope, models: str, answer: CachedAnswer) -> None:
        """Keep an answer for a day."""
        await self._cache.put(_name(question, scope, models), answer, CACHE_SECONDS)


def _name(question: str, scope: Scope, models: str) -> str:
    asked = hashlib.sha256(question.encode()).hexdigest()
    return f"answer:{scope.digest()}:{PROMPT_VERSION}:{hashlib.sha256(models.encode()).hexdigest()[:16]}:{asked}"
