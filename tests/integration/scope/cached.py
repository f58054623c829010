"""Looks into Redis at what the product keeps of searches and answers."""

from collections import Counter
from uuid import UUID

import msgspec

from backend.chat.answer_cache import CachedAnswer
from ops.runtime.redis import open_redis
from rag.scope import Scope, ScopedCourse
from tests.integration.scope.checker import check_cached
from tests.integration.scope.model import Person
from tests.integration.scope.school import School

PATTERNS = ("lyceum:search:*", "lyceum:answer:*")


class CacheInspector:
    """Knows for the name of each scope that anybody had, which courses it stands for."""

    def __init__(self, school: School, counts: Counter[str]) -> None:
        self._school = school
        self._counts = counts
        self._scopes: dict[str, set[str]] = {}
        self._looked_at: set[bytes] = set()

    async def note_scope(self, person: Person, course_id: str | None) -> None:
        """Note by which name the product may cache for this person now."""
        courses = self._school.model.readable_courses(person, course_id)
        versions = await self._school.set_versions(courses)
        scoped = sorted(
            ScopedCourse(
                course_id=UUID(course.id),
                faculty_id=UUID(course.faculty),
                semester_id=UUID(course.semester),
                document_set_version=versions[UUID(course.id)],
            )
            for course in courses
        )
        scope = Scope(tenant_id=self._school.tenant_ids[person.tenant], courses=tuple(scoped))
        self._scopes[scope.digest()] = {course.id for course in courses}

    async def look(self) -> None:
        """Check every entry that was not there at the last look."""
        async with open_redis(self._school.api.settings.redis_url) as redis:
            for pattern in PATTERNS:
                async for key in redis.scan_iter(match=pattern, count=1000):
                    if key not in self._looked_at and (raw := await redis.get(key)) is not None:
                        assert isinstance(raw, bytes)
                        self._looked_at.add(key)
                        self._check(key.decode(), raw)

    def _check(self, key: str, raw: bytes) -> None:
        _, kind, digest = key.split(":")[:3]
        text = ""
        if kind == "search":
            passages = {UUID(item[0]) for item in msgspec.msgpack.decode(raw)}
        else:
            answer = msgspec.msgpack.decode(raw, type=CachedAnswer)
            passages = {citation.passage_id for part in answer.parts for citation in part.citations}
            text = "".join(part.text for part in answer.parts)
        self._counts[f"cached: {kind}"] += 1
        check_cached(self._school.model, key, self._scopes.get(digest), passages, text)
