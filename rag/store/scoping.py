"""The one place that turns scope into a Qdrant filter."""

from collections.abc import Iterable
from uuid import UUID

from qdrant_client import models

from rag.scope import Scope


def scope_filter(scope: Scope, *more: models.Condition) -> models.Filter:
    """Return the filter that every read of passages carries: the tenant, and any of exactly the scope's faculties,
    semesters and courses; `more` conditions narrow it further.

    Raises:
        ValueError: the scope holds no course; such a search must not be sent.
    """
    if not scope.courses:
        raise ValueError("a scope without courses has no filter")
    return models.Filter(
        must=[
            models.FieldCondition(key="tenant_id", match=models.MatchValue(value=str(scope.tenant_id))),
            _any_of("faculty_id", (course.faculty_id for course in scope.courses)),
            _any_of("semester_id", (course.semester_id for course in scope.courses)),
            _any_of("course_id", (course.course_id for course in scope.courses)),
            *more,
        ]
    )


def _any_of(key: str, ids: Iterable[UUID]) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchAny(any=sorted({str(identifier) for identifier in ids})))
