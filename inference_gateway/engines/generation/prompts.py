"""A conversation as the tokens that a model continues."""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from inference_gateway.contract import ChatMessage
from inference_gateway.errors import RequestRefused
from inference_gateway.transcript import transcript


class Prompter:
    """Lays conversations out with the tokenizer's own chat template, or as a plain transcript where it has none."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def tokens(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the prompt's tokens.

        Raises:
            RequestRefused: the model's template does not take these roles in this order.
        """
        if not getattr(self._tokenizer, "chat_template", None):
            return self._encode(transcript(messages), special=True)
        try:
            text = self._render([(message.role, message.content) for message in messages])
        except TemplateError:
            text = self._render_without_system(messages)
        return self._encode(text, special=False)

    def raw_tokens(self, text: str) -> list[int]:
        """Return the tokens of a text that is to be continued as it is."""
        return self._encode(text, special=True)

    def _render_without_system(self, messages: Sequence[ChatMessage]) -> str:
        """Some templates know no system message: put it before the first of the user."""
        system = [message.content for message in messages if message.role == "system"]
        turns: list[tuple[str, str]] = [(m.role, m.content) for m in messages if m.role != "system"]
        if system and turns and turns[0][0] == "user":
            turns[0] = ("user", "\n\n".join([*system, turns[0][1]]))
        try:
            return self._render(turns)
        except TemplateError:
            raise RequestRefused("The model's chat template refuses these messages.", pointer="/messages") from None

    def _render(self, turns: Sequence[tuple[str, str]]) -> str:
        messages = [{"role": role, "content": content} for role, content in turns]
        text: str = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return text

    def _encode(self, text: str, *, special: bool) -> list[int]:
        # `verbose` would warn that the text is longer than the model's context, which is judged elsewhere.
        ids: list[int] = self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return ids
