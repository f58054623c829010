"""Scope: the courses a search may see. It is a type so that no retrieval can be called without one.

Only `backend.academics.service.scope_for` builds it, from what Postgres says the person may read now.
"""

import hashlib
from uuid import UUID

import msgspec


class ScopedCourse(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One readable course; `document_set_version` grows with each change of the course's searchable documents."""

    course_id: UUID
    faculty_id: UUID
    semester_id: UUID
    document_set_version: int


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Courses of one tenant that one person may read, sorted by id. An empty scope finds nothing."""

    tenant_id: UUID
    courses: tuple[ScopedCourse, ...]

    @property
    def course_ids(self) -> frozenset[UUID]:
        """Ids of the readable courses."""
        return frozenset(course.course_id for course in self.courses)

    def narrow(self, course_id: UUID) -> "Scope | None":
        """Return the scope of one course of this scope, or None when the course is not in it."""
        courses = tuple(course for course in self.courses if course.course_id == course_id)
        return Scope(tenant_id=self.tenant_id, courses=courses) if courses else None

    def digest(self) -> str:
        """Return a name for cache keys: equal only for the same tenant, courses and document-set versions."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).hexdigest()
