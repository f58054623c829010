"""Text out of tokens as they come: never half a character, never the beginning of a stop sequence."""

from collections.abc import Callable, Sequence

Decode = Callable[[list[int]], str]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer gives for bytes that are no character, or not yet one."""

MAX_HELD_TOKENS = 8
"""A character has at most four bytes, a byte at most one token: after so many, the bytes are no character at all."""


class TextStream:
    """The text of one sequence. `push` and `flush` return what may be told; `stopped` once a stop sequence was met.

    Only a window of tokens is decoded again: those told last, since a tokenizer may write a token otherwise at the
    beginning of a text, and those not told yet.
    """

    def __init__(self, decode: Decode, stops: Sequence[str] = ()) -> None:
        self.stopped = False
        self._decode = decode
        self._stops = tuple(stops)
        self._window: list[int] = []
        self._told_tokens = 0
        self._told_characters = 0
        self._held = ""

    def push(self, token: int) -> str:
        """Add a token and return the text that is certain by now."""
        if self.stopped:
            return ""
        self._window.append(token)
        return self._up_to_stop(self._decoded())

    def flush(self) -> str:
        """Return what was held back, without an incomplete character at the end."""
        if self.stopped:
            return ""
        rest = self._decode(self._window).rstrip(REPLACEMENT)[self._told_characters :]
        text = self._up_to_stop(rest)
        return text if self.stopped else text + self._held

    def _decoded(self) -> str:
        text = self._decode(self._window)
        if text.endswith(REPLACEMENT):
            if len(self._window) - self._told_tokens < MAX_HELD_TOKENS:
                return ""
            certain = text[self._told_characters : -1]
            self._told_characters += len(certain)
            return certain
        new = text[self._told_characters :]
        if new:
            del self._window[: self._told_tokens]
            self._told_tokens = len(self._window)
            self._told_characters = len(self._decode(self._window))
        return new

    def _up_to_stop(self, new: str) -> str:
        text = self._held + new
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
