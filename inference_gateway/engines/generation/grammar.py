"""Answers held to a JSON schema: which tokens may come next, by `llguidance`."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer

from inference_gateway.errors import RequestRefused

POINTER = "/response_format/json_schema/schema"
_COMPACT: Any = {"whitespace_flexible": False}


class Grammar:
    """The state of one sequence."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def allowed(self) -> npt.NDArray[np.bool_]:
        """Return for each token whether it may come next; once the value is whole, only the end, and after a failure none."""
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(packed, bitorder="little").astype(np.bool_)
        return allowed & (not self._matcher.is_error())

    def accept(self, token: int) -> None:
        """Go on by a token."""
        self._matcher.consume_token(token)


class Grammars:
    """Makes grammars for one tokenizer, of which the tokens are read at the first."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._prepared: LLTokenizer | None = None

    def of(self, schema: dict[str, Any]) -> Grammar:
        """Return a grammar of compact JSON.

        Raises:
            RequestRefused: the schema is malformed or asks for what is not supported, or the tokenizer is of a kind
                that cannot be constrained.
        """
        text = msgspec.json.encode(schema).decode()
        return self._made(lambda: LLMatcher.grammar_from_json_schema(text, overrides=_COMPACT), POINTER)

    def of_calls(self, schema: dict[str, Any], *, must: bool) -> Grammar:
        """Return a grammar of one call that fits `schema`; unless it `must` be one, of any text without a brace first, too.

        Raises:
            RequestRefused: as `of`; `pointer` leads to the tools.
        """
        call = msgspec.json.encode({**schema, "x-guidance": _COMPACT}).decode()
        lark = f"start: call{'' if must else ' | text'}\ncall: %json {call}\ntext: /([^{{](.|\\n)*)?/\n"
        return self._made(lambda: LLMatcher.grammar_from_lark(lark), "/tools")

    def _made(self, grammar: Callable[[], str], pointer: str) -> Grammar:
        if self._prepared is None:
            self._prepared = self._prepare()
        try:
            matcher = LLMatcher(self._prepared, grammar(), log_level=0)
        except ValueError as error:
            raise RequestRefused("This JSON schema cannot be read.", pointer=pointer) from error
        if matcher.is_error():
            raise RequestRefused(
                f"This JSON schema is not supported: {_first_line(matcher.get_error())}", pointer=pointer
            )
        return Grammar(matcher)

    def _prepare(self) -> LLTokenizer:
        try:
            prepared: LLTokenizer = from_tokenizer(self._tokenizer, n_vocab=self._vocabulary)
        except ValueError as error:
            raise RequestRefused(
                "This model's answers cannot be held to a schema.", pointer="/response_format"
            ) from error
        return prepared


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]
