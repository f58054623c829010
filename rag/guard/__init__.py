"""Guards around the tutor: questions it refuses, sentences in documents that give it orders, borders around such texts.

Patterns, not a model: they catch what is said openly, in English and Arabic, and little else. What keeps an order from
being followed is the checker of answers; this only keeps the plain ones from being repeated.
"""

from rag.guard.borders import border
from rag.guard.orders import is_order
from rag.guard.question import Refusal, screen

__all__ = ["Refusal", "border", "is_order", "screen"]
