"""Questions the tutor does not take."""

from typing import Literal

from rag.guard.patterns import CHEATING, TAKEOVER
from rag.language import normalise

Refusal = Literal["injection", "cheating", "malformed"]


def screen(question: str) -> Refusal | None:
    """Return why `question` is refused, or None for one to answer."""
    if not any(character.isalnum() for character in question):
        return "malformed"
    text = " ".join(normalise(question).split())
    if TAKEOVER.search(text):
        return "injection"
    if CHEATING.search(text):
        return "cheating"
    return None
