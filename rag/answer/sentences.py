"""Finished sentences out of a stream of text, each with the markers that belong to it."""

import re

from rag.language import Span, sentences
from rag.language.normalise import ascii_digits

_MARKER = re.compile(r"\s*[\[【](\s*\d+(?:\s*[,،;]\s*\d+)*\s*)[\]】]")
_MARKERS_AFTER_STOP = re.compile(r"([.!?؟。…]+[\"'”’»)]*)((?:\s*[\[【][\d\s,،;]+[\]】])+)")
_OPEN = re.compile(r"[\[【][^\]】]*$")
_NUMBER = re.compile(r"\d+")
MAX_SENTENCE_CHARS = 2000


class SentenceStream:
    """Takes a generated text piece by piece and gives its sentences as soon as it is certain where they end."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._buffer = ""

    def feed(self, piece: str) -> list[str]:
        """Return the sentences that `piece` finished. A marker after the full stop belongs to the sentence before it."""
        self._buffer += piece
        text = _MARKERS_AFTER_STOP.sub(r"\2\1", self._buffer)
        spans = sentences(text, self._language)
        if len(spans) < 2 or _OPEN.match(text, spans[-1].start):
            return self.rest() if len(text) > MAX_SENTENCE_CHARS else []
        finished, last = spans[:-1], spans[-1]
        self._buffer = text[last.start :]
        return [text[span.start : span.end] for span in finished]

    def rest(self) -> list[str]:
        """Return what is left when the text has ended."""
        text, self._buffer = _MARKERS_AFTER_STOP.sub(r"\2\1", self._buffer), ""
        return [text[span.start : span.end] for span in sentences(text, self._language)]


def markers(sentence: str) -> list[int]:
    """Return the numbers of the passages a sentence refers to, in order, each once."""
    found = [int(n) for group in _MARKER.findall(ascii_digits(sentence)) for n in _NUMBER.findall(group)]
    return list(dict.fromkeys(found))


def without_markers(sentence: str) -> str:
    """Return the sentence as it reads without its markers."""
    return " ".join(_MARKER.sub("", sentence).split())


def flat(text: str, span: Span) -> str:
    """Return a passage's sentence on one line, without bracketed numbers of its own: they would pass for our markers."""
    return without_markers(text[span.start : span.end])
