"""Names that mark the answer to an exercise, or notes for the teacher. Such parts never become text students search."""

import re

_MARKERS_NAMES = """
solution solutions answer answers instructor instructor-note instructor-notes teacher-note exercise-solution
"""
_MARKERS = frozenset(_MARKERS_NAMES.split())
_ENGLISH_TITLE = r"(?:show |view |see )?(?:the )?(?:solutions?|answers?(?: key)?)"
_ARABIC_TITLE = r"(?:إظهار |عرض )?(?:ال)?(?:حل|حلول|إجابة|إجابات|اجابة|جواب)"
_TITLE = re.compile(rf"\W*(?:{_ENGLISH_TITLE}|{_ARABIC_TITLE})(?:\s*\d+)?\W*$", re.IGNORECASE)


def marks_solution(name: str) -> bool:
    """Tell whether one class or block name, such as `solution`, marks an answer."""
    return name.strip(".{}# ").lower() in _MARKERS


def titles_solution(title: str) -> bool:
    """Tell whether the title of a fold-out, such as `Show answer` or `الحل`, announces an answer."""
    return _TITLE.match(title.strip()) is not None
