"""What people do with documents."""

from backend.documents.passages import passages_in_scope

__all__ = ["passages_in_scope"]
