"""The passages port of retrieval."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from db.repositories import passages
from rag.passages import ScopedPassage
from rag.scope import Scope


async def passages_in_scope(passage_ids: Sequence[UUID], scope: Scope) -> list[ScopedPassage]:
    """Return, in the order asked for, those passages that the scope may read now: the last word, whatever an index says.

    A passage is readable while its document and course are not deleted, its version is the one served, and its course is
    in the scope. Anything else, a passage that never was included, is left out without a sign.
    """
    if not passage_ids or not scope.courses:
        return []
    rows = await passages.served(passage_ids, scope.tenant_id, sorted(scope.course_ids))
    return [ScopedPassage(**msgspec.structs.asdict(row)) for row in rows]
