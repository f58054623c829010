"""Problem documents (RFC 9457): the mapper, and pages that explain each type."""

from backend.problems.mapping import CATALOGUE_PATH, MEDIA_TYPE, Problem, problem_document, respond, to_error

__all__ = ["CATALOGUE_PATH", "MEDIA_TYPE", "Problem", "problem_document", "respond", "to_error"]
