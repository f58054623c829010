"""Passages: the pieces of a document that are searched, cited and shown."""

from rag.chunk.passages import MAX_TOKENS, TARGET_TOKENS, Passage, chunk
from rag.chunk.size import estimate_tokens
from rag.chunk.version import CHUNKER_VERSION

__all__ = ["CHUNKER_VERSION", "MAX_TOKENS", "TARGET_TOKENS", "Passage", "chunk", "estimate_tokens"]
