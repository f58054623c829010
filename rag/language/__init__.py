"""Language: which one a text is in, and its sentences, search terms and numbers. Arabic and English first."""

from rag.language.analyse import analyse
from rag.language.detect import detect, warm
from rag.language.normalise import normalise
from rag.language.numbers import numbers
from rag.language.sentences import Span, sentences

__all__ = ["Span", "analyse", "detect", "normalise", "numbers", "sentences", "warm"]
