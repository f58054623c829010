"""Where a person holds a permission, in the form that queries take."""

from backend.kit.subject import Subject
from db.repositories.places import Places


def places_for(subject: Subject, permission: str) -> Places:
    """Return where the person holds `permission`."""
    faculty_ids, course_ids = subject.places(permission)
    return Places(everywhere=subject.tenant_wide(permission), faculty_ids=faculty_ids, course_ids=course_ids)
