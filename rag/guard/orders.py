"""Sentences in a document that speak to the assistant instead of the reader."""

from rag.guard.patterns import ADDRESSED, TAKEOVER
from rag.language import normalise


def is_order(sentence: str) -> bool:
    """Tell whether the sentence reads like an order to the assistant: it is then neither quoted nor counted as support."""
    text = " ".join(normalise(sentence).split())
    return TAKEOVER.search(text) is not None or ADDRESSED.search(text) is not None
