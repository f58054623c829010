from uuid import UUID

import pytest
from qdrant_client import models

from rag.scope import Scope, ScopedCourse
from rag.store.scoping import scope_filter


def scoped(course: int, faculty: int, semester: int) -> ScopedCourse:
    return ScopedCourse(
        course_id=UUID(int=course), faculty_id=UUID(int=faculty), semester_id=UUID(int=semester), document_set_version=1
    )


def test_the_filter_carries_tenant_faculties_semesters_and_courses() -> None:
    scope = Scope(tenant_id=UUID(int=1), courses=(scoped(30, 10, 20), scoped(31, 10, 21)))
    assert scope_filter(scope).model_dump(exclude_none=True) == {
        "must": [
            {"key": "tenant_id", "match": {"value": str(UUID(int=1))}},
            {"key": "faculty_id", "match": {"any": [str(UUID(int=10))]}},
            {"key": "semester_id", "match": {"any": [str(UUID(int=20)), str(UUID(int=21))]}},
            {"key": "course_id", "match": {"any": [str(UUID(int=30)), str(UUID(int=31))]}},
        ]
    }


def test_further_conditions_narrow_it() -> None:
    more = models.FieldCondition(key="language", match=models.MatchValue(value="en"))
    built = scope_filter(Scope(tenant_id=UUID(int=1), courses=(scoped(30, 10, 20),)), more)
    assert isinstance(built.must, list)
    assert len(built.must) == 5
    assert built.must[-1] == more
    assert built.should is None


def test_an_empty_scope_has_no_filter() -> None:
    with pytest.raises(ValueError, match="without courses"):
        scope_filter(Scope(tenant_id=UUID(int=1), courses=()))
